"""Feature names in request bodies and queries."""

from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature


def parse_features(names: object) -> tuple[Feature, ...]:
    """The features in a list of names, without duplicates and in the order of Feature.

    Raises InvalidRequest if `names` is not a list, is empty, or has an unknown name.
    """
    allowed = ", ".join(Feature)
    if not isinstance(names, list) or not names:
        raise InvalidRequest(
            f"features is {names!r:.200}, but must be a list of one or more of {allowed}."
        )
    for name in names:
        if name not in list(Feature):
            raise InvalidRequest(f"There is no feature {name!r:.200}. The features are {allowed}.")
    return tuple(feature for feature in Feature if feature in names)
