"""Which color profiles are kept."""

# Profiles of cameras and screens have 0.5 to 600 kB, those with large tables up to about 2 MB. A
# larger one is dropped: 15 MB of profile leave no room for an image.
MAX_PROFILE_BYTES = 2_000_000

_HEADER_BYTES = 128


def checked_profile(profile: bytes | None) -> bytes | None:
    """The ICC profile without bytes after its end; None if it is none, or over MAX_PROFILE_BYTES.

    Only its header is checked (ICC.1:2022, 7.2: size in the first four bytes, signature at 36).
    """
    if profile is None or not _HEADER_BYTES <= len(profile) <= MAX_PROFILE_BYTES:
        return None
    size = int.from_bytes(profile[:4])
    if profile[36:40] != b"acsp" or not _HEADER_BYTES <= size <= len(profile):
        return None
    return profile[:size]
