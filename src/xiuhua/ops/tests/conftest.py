"""The engine's small city and clock, for the tests of operations."""

from xiuhua.casework.tests.conftest import city, clock, make_case  # noqa: F401
