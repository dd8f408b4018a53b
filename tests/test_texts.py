"""Texts that get ASCII around them: never cut inside a character, and readable as before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes, encode_string

from medclean.archive.dicom.texts import framed

SAMPLES = {  # Specific Character Set, text (PS3.5 annexes H to K have such names)
    "latin": ("ISO_IR 100", "Schädel axial ÄÖÜ " * 9),
    "greek": ("ISO_IR 126", "Διονυσιος " * 9),
    "utf8": ("ISO_IR 192", "頭部 軸位 Ünïcode " * 9),
    "gb18030": ("GB18030", "小东 王 \U00020000 \u0101 a" * 9),
    "gbk": ("GBK", "小东 王 a" * 12),
    "kanji": ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎 " * 5),
    "kana": ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ 山田 " * 9),
    "jis212": ("\\ISO 2022 IR 87\\ISO 2022 IR 159", "頭丂部 " * 16),
    "hangul": ("\\ISO 2022 IR 149", "김희중 吉洞 " * 9),
}


def python_of(charset):
    return convert_encodings(charset.split("\\"))


def encoded(text, charset):
    return encode_string(text, python_of(charset))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("limit", range(40, 64))
def test_is_cut_between_characters(name, limit):
    charset, text = SAMPLES[name]
    made = framed(encoded(text, charset), after=" [medclean dgan]", limit=limit, charset=charset)
    read = decode_bytes(made, python_of(charset), set())
    assert len(read) <= limit
    assert len(read) >= limit - 2  # blanks at the cut
    assert read.endswith(" [medclean dgan]")
    assert text.startswith(read.removesuffix(" [medclean dgan]"))


@pytest.mark.parametrize("name", SAMPLES)
def test_what_fits_is_kept_byte_for_byte(name):
    charset, text = SAMPLES[name]
    raw = encoded(text[:20].strip(), charset)
    made = framed(raw + b" ", before="SIMULATED ", after=" [x]", limit=64, charset=charset)
    assert made == b"SIMULATED " + raw + b" [x]"


@pytest.mark.parametrize("limit", range(20, 40))
def test_pairs_above_ascii_are_not_torn(limit):
    text = "张小东 " * 16  # pydicom cannot encode this charset
    raw = b"\x1b$)A" + text.encode("gb2312")
    made = framed(raw, after=" [x]", limit=limit, charset="\\ISO 2022 IR 58")
    assert text.startswith(made.removeprefix(b"\x1b$)A").removesuffix(b" [x]").decode("gb2312"))


@pytest.mark.parametrize(
    ("charset", "back"), [("\\ISO 2022 IR 87", b"\x1b(B"), ("ISO 2022 IR 13", b"\x1b(J")]
)
def test_a_cut_in_another_charset_goes_back_to_the_first(charset, back):
    made = framed(b"\x1b$B" + b";3ED" * 9, after=" [x]", limit=20, charset=charset)
    assert made == b"\x1b$B" + b";3ED" * 8 + back + b" [x]"


@pytest.mark.parametrize("charset", ["", "ISO_IR 100", "nonsense"])
def test_undeclared_utf8_is_not_torn(charset):
    made = framed("頭部".encode() * 20, after=" [x]", limit=63, charset=charset)
    assert made.decode("utf-8") == "頭部" * 9 + "頭 [x]"


@pytest.mark.parametrize("nothing", [b"", b"  ", b"\0"])
def test_nothing_before_needs_no_blank(nothing):
    assert framed(nothing, after="; done", limit=64, charset="") == b"done"
    assert framed(nothing, after=" [x]", limit=64, charset="") == b"[x]"


@given(st.binary(max_size=100), st.sampled_from([charset for charset, _ in SAMPLES.values()]))
def test_any_bytes_are_taken(text, charset):
    made = framed(text, after=" [x]", limit=64, charset=charset)
    assert made.endswith(b"[x]")
    assert len(made) <= 4 * 64 + len(text)
