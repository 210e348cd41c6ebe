from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.errors import InvalidNoun
from chaosprsa.quantities import cpu_text, mebibytes, memory_text, millicores, quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250m", 250),
        ("0.5", 500),
        ("2", 2000),
        (".25", 250),
        ("1e0", 1000),
        ("100u", 1),
        ("1n", 1),
        ("0", 0),
        (1.5, 1500),
    ],
)
def test_cpu_is_read_in_millicores_rounded_up_as_kubernetes_does(text, expected):
    assert millicores(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("128Mi", 128),
        ("1Gi", 1024),
        ("1e9", 954),  # 953.67 MiB
        ("128974848", 123),
        ("1.5Gi", 1536),
        ("64M", 62),  # 61.04 MiB
        ("128e6", 123),  # 122.07 MiB
        ("1Ki", 1),
        ("1E", 953674316407),
        ("1Ti", 1048576),
    ],
)
def test_memory_is_read_in_mib_rounded_up(text, expected):
    assert mebibytes(text) == expected


def test_a_suffix_of_exa_and_an_exponent_are_told_apart():
    assert quantity("1E") == 10**18
    assert quantity("1E3") == 1000
    assert quantity("1e-3") == Fraction(1, 1000)


@pytest.mark.parametrize("text", ["", "m", "1,5", "1 Gi", "128mi", "1KiB", "NaN", "inf", "1e", "--1", "0x10"])
def test_what_is_no_quantity_is_refused_by_name(text):
    with pytest.raises(InvalidNoun, match="no Kubernetes quantity"):
        quantity(text)


@given(st.integers(1, 10**6))
def test_what_is_written_is_read_back_the_same(count):
    assert millicores(cpu_text(count)) == count
    assert mebibytes(memory_text(count)) == count


def test_whole_units_are_written_as_the_server_writes_them():
    assert (cpu_text(2000), cpu_text(250), memory_text(2048), memory_text(1536)) == ("2", "250m", "2Gi", "1536Mi")
