"""Which compressed images can be decoded here: a small one of each kind, and what it must give."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

Pixels: TypeAlias = NDArray[np.integer]

_ROOT = "1.2.840.10008.1.2."
_EXTENDED = "4.51"  # no plugin of pydicom decodes its 12 bits


@dataclass(frozen=True)
class Sample:
    """A small image, encoded.

    Attributes:
        name: Of the encoding.
        syntaxes: Transfer syntaxes that use it, without what all their UIDs begin with.
        bits: Stored ones; of the image's 12 the highest are kept.
        error: That a decoder may make, in stored units.
        code: The frame, in base 85.
    """

    name: str
    syntaxes: tuple[str, ...]
    bits: int
    error: int
    code: str

    def decoders(self) -> dict[str, list[str]]:
        """By transfer syntax, the decoders that are here and give the right pixels."""
        return {f"{_ROOT}{syntax}": list(self._working(syntax)) for syntax in self.syntaxes}

    def _working(self, syntax: str) -> Iterator[str]:
        frame = base64.b85decode(self.code)
        image = self._image(syntax, frame)
        for plugin in get_decoder(UID(_ROOT + syntax)).available_plugins:
            if self._right(partial(_by_pydicom, image, plugin)):
                yield plugin
        if syntax == _EXTENDED and self._right(partial(_by_imagecodecs, frame)):
            yield "imagecodecs"

    def _right(self, decode: Callable[[], Pixels]) -> bool:
        row, column = np.mgrid[:8, :8]
        expected = (500 * column + 9 * row**2) >> (12 - self.bits)
        try:
            decoded = decode().astype(np.int64)
        except Exception:  # whatever a decoder raises: it does not decode
            return False
        return decoded.shape == expected.shape and abs(decoded - expected).max() <= self.error

    def _image(self, syntax: str, frame: bytes) -> Dataset:
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = UID(_ROOT + syntax)
        image.Rows = image.Columns = 8
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = 8 if self.bits == 8 else 16
        image.BitsStored, image.HighBit, image.PixelRepresentation = self.bits, self.bits - 1, 0
        image.PixelData = encapsulate([frame])
        return image


def _by_pydicom(image: Dataset, plugin: str) -> Pixels:
    syntax = image.file_meta.TransferSyntaxUID
    return get_decoder(syntax).as_array(image, decoding_plugin=plugin)[0]


def _by_imagecodecs(frame: bytes) -> Pixels:
    import imagecodecs

    return imagecodecs.jpeg8_decode(frame)


SAMPLES = (
    Sample(
        "JPEG baseline, 8 bits",
        ("4.50",),
        8,
        1,
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1"
        "_%oX2?`1d3JL}Y3k(Yi3<(Mf3je?W3kU!R00;pA5di<h03QGV0R;g80RaI400000000000RjUA1qKHQ2?`7U!~"
        "nGr00IF60|EpC1qB2I0004f0RjU61Q7)iAu&M)6H#FYB5@QlfsvsIBSNvk6;jdgBr{@if(Z&17Z@2DB_<~*DJn"
        "EIHa9pqIzvQ7Mn_0VN>fx-R##YAT4Q8oW@l(=YIAgTc6WGrdV_?8hKGoWijtF*m6n&7nVO=bq@|{(sHv*5v$VC"
        "gx45~w!o$SH#>dFX%F@%+)z;V8+1laa<K*S$=jiF`@$&QZ_4fDp`TGCb00;pA002J#=D*<FZ-)A({78S%+x}Vh"
        "`d9zi",
    ),
    Sample(
        "JPEG extended, 12 bits",
        ("4.51",),
        12,
        1,
        "|JeWF01!$>Nk#wx0RR9200961|JwjV009930RaI40RaI40RaI40s#R50RaL50RaL60s;a80s;a90|WyD0|NsB0"
        "s{mC0|W#F1Ox&D1qB2I1q1{H1pmPR3k(1V00;pA5di<h02BZL0000000000000000000B|HJ?v5C8xJ2><{900"
        "00000000000CB2@4J<Dn>|RX8+m%2mt{A06zdZxN)J}8&GIQkm^P_+h+N_2mjd",
    ),
    Sample(
        "JPEG lossless",
        ("4.57", "4.70"),
        12,
        0,
        "|JeV;02%-R0RRI50RR9100000000061O*8L2Mqti01FHN2mlBH01*KH+5iXv000I60Qvs__vyb)`ft;IoAlqMJ"
        "$m))*RNdN*IjkjT(>Wm%jNR<e7p1r5FkK-2dJr1rAn15eT|bQOqnue?ylXtcJ14+|Je",
    ),
    Sample(
        "JPEG-LS",
        ("4.80", "4.81"),
        12,
        0,
        "|JeWN03cIPNk&Eh0ssI300008000083J?YX0003j0003j|L6b+00001|JeWc01FTR2mlBH0TBTI_y7$7|Nj6I0"
        "7C&306_oR00;pA00000zdz^vzmM?!|6PJmN(e#FWGWE^p|m!Jk(6OBmP2T@PNq_+7}$|wK67$$aBpr;RP>^h6!"
        "kexW+fEH-EKD9O_su9PL7vDoy_HOE@1!J",
    ),
    Sample(
        "JPEG 2000",
        ("4.90", "4.91"),
        12,
        0,
        "|4;u>04V?f0000800008000000000000008000080000000000009dD0sm3}3;+NC0RR951ONg5TmS?>VE<$QB"
        ">(|Ka%Ew3Wn>^?c_2@4Wo}APMMofZWpZ<AZ*CwmE;TMR|BwI*000000BZmN|C8V0Xc8-Cx7|H&19I*c0_R(gC;"
        "l7=ZmLVUG}jrV=%Nj7w(Uyp3g_TV0Aiuw8%@-~zQ`PMkZ8q9@Hm4G#H02Wch9aZEV44@1mz{4sPL<F3-Ni*{FM"
        "Lz000mF*#",
    ),
    Sample(
        "HTJ2K",
        ("4.201", "4.202", "4.203"),
        12,
        0,
        "|4;u>04YEK0000800008000000000000008000080000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0"
        "smY86Cj9?kdTm&kdTm&kdTmwh=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000V*mmFlfVEbbM^%XbN"
        "~PVzyK3K01|-E@dJl+0Ga`ZbO68r6Tko!0LVbb0|ImaN2Etc0LHWczyK;>02Ywu&6_u>asqV#5o1I|M9>j*1RX"
        "&E$P9Whw*ddy",
    ),
    Sample(
        "RLE",
        ("5",),
        12,
        0,
        "0ssI2KmY&$hyVZp000000000000000000000000000000000000000000000000000000000000000002LJ&B1"
        "qTTW4F>=L0|f^O3k?SV0t5yJ2@4Ge00IOC2nq}h2LJ*D1_%la4hH}N1O^BS3=RhY0|f^O3k(hi0RsgG2@4Gm2L"
        "SZw+|b0htOp7G@#Wdg!L<h@7z_aP=-ki;QAIf|Ar%Sz2atq#Y+zJKJO|;`$-S|qnT-cTI4mF(2>kE|xvim<iG6"
        "Wp",
    ),
)
