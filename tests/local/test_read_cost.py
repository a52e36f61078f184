"""A page costs the same in a larger catalog; benchmarks/read_cost.py goes up to 100,000 images."""

from benchmarks.read_cost import MOST_GROWTH, measure


def test_a_page_costs_the_same_in_a_catalog_ten_times_larger() -> None:
    for name, (small, large) in measure([100, 1000], lambda _: None).items():
        assert 0 < large <= MOST_GROWTH * small, name
