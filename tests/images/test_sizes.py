"""What size a picture is brought to: its proportions stay, no side gets too small, and what cannot be is told."""

from hypothesis import assume, given
from hypothesis import strategies as st

from impasto.errors import ImpastoError, InputError, LimitError
from impasto.images.limits import Limits
from impasto.images.sizes import MIN_SIDE, admitted, fit, least_size

SIDES = st.integers(1, 100_000)
LONG_SIDES = st.none() | st.integers(-5, 100_000)


@given(SIDES, SIDES, st.integers(1, 100_000), st.booleans(), st.integers(0, 100))
def test_proportions_are_kept_within_a_pixel(width, height, long_side, enlarge, short_side):
    found = fit((width, height), long_side, enlarge, short_side)
    scale = max(found) / max(width, height)
    assert abs(found[0] - width * scale) <= 1
    assert abs(found[1] - height * scale) <= 1
    if max(width, height) <= long_side and not enlarge:
        assert found == (width, height)
    else:
        assert max(found) >= long_side
        assert min(found) >= short_side
        assert max(found) == long_side or min(found) == short_side


@given(SIDES, SIDES, LONG_SIDES, st.booleans(), st.integers(0, 100), st.integers(1, 10**10))
def test_what_is_admitted_is_within_the_limits_and_what_is_not_is_told(w, h, size, enlarge, short_side, most):
    try:
        found, told = admitted((w, h), "'x'", size, enlarge=enlarge, short_side=short_side, limits=Limits(most)), None
    except ImpastoError as error:
        found, told = None, error
    if found is not None:
        assert min(found) >= MIN_SIDE
        assert found[0] * found[1] <= most
        assert found == fit((w, h), size, enlarge, short_side)
        return
    assert type(told) in (InputError, LimitError)
    assert str(told).startswith("'x' ")
    assert "`limits`" in str(told) if isinstance(told, LimitError) else f"at least {MIN_SIDE} px" in str(told)


@given(st.integers(MIN_SIDE, 100_000), st.integers(MIN_SIDE, 100_000))
def test_the_size_that_is_told_is_admitted(width, height):
    size = least_size((width, height))
    options = {"enlarge": True, "short_side": 0, "limits": Limits(10**12)}
    assert min(admitted((width, height), "'x'", size, **options)) == MIN_SIDE
    assume(size > MIN_SIDE)
    assert min(fit((width, height), size - 1, enlarge=True)) < MIN_SIDE
