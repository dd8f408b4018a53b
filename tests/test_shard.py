"""Each series is done by one shard, whatever the others see."""

import pytest

from medclean.archive.runs.shard import Division, Shard, in_array, unsharded
from medclean.errors import UsageError


def array(task, least, most, step, count):
    values = {"ID": task, "MIN": least, "MAX": most, "STEP": step, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("off", {}, None),
        ("off", array(3, 0, 15, 1, 16), None),
        ("auto", {}, None),
        ("3/16", {}, Shard(3, 16)),
        ("auto", array(0, 0, 15, 1, 16), Shard(1, 16)),
        ("auto", array(15, 0, 15, 1, 16), Shard(16, 16)),
        ("auto", array(9, 1, 13, 4, 4), Shard(3, 4)),
        ("auto", array(9, 1, 16, 4, 4), Shard(3, 4)),
        ("auto", array(7, 7, 7, 1, 1), Shard(1, 1)),
    ],
)
def test_what_shard_means(text, environ, expected):
    assert Shard.parse(text, environ) == expected


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("0/4", {}),
        ("5/4", {}),
        ("-1/4", {}),
        ("1/0", {}),
        ("many", {}),
        ("auto", array(3, 1, 7, 1, 3)),  # --array=1,3,7
        ("auto", array(3, 1, 7, 4, 2)),
        ("auto", array(3, 1, 7, 0, 2)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3"}),
    ],
)
def test_what_it_does_not_mean(text, environ):
    with pytest.raises(UsageError, match="I/N"):
        Shard.parse(text, environ)


def test_names_sort_as_numbers():
    assert str(Shard(3, 16)) == "03-of-16"
    names = [str(Shard(number, 120)) for number in range(1, 121)]
    assert sorted(names) == names


def test_an_array_with_sharding_off_is_told():
    environ = array(3, 0, 15, 1, 16)
    assert in_array(environ)
    assert "--shard auto" in (unsharded(None, environ) or "")
    assert unsharded(Shard(4, 16), environ) is unsharded(None, {}) is None


@pytest.mark.parametrize("count", [1, 3, 16])
def test_each_series_has_one_shard_and_shards_are_even(count):
    keys = [f"{number:016x}" for number in range(80)]
    others = [f"others/{number}" for number in range(200)] + ["not utf-8 \udcff"]
    parts = [Division(Shard(number + 1, count), keys) for number in range(count)]
    for key in keys + others:
        assert sum(part.owns(key) for part in parts) == 1
    shares = [sum(map(part.owns, keys)) for part in parts]
    assert max(shares) - min(shares) <= 1


def test_without_shards_all_is_ours():
    assert Division(None).owns("any")
