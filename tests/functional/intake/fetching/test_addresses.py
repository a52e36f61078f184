"""Non-public addresses, in every form in which a URL can name or reach one."""

import pytest

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins
from chalicelib.model.errors import AddressNotPublic, InvalidUrl
from tests.functional.intake.fetching.conftest import Attack
from tests.helpers.internet import PUBLIC, PUBLIC_IPV6, SECRET, Internet
from tests.helpers.servers import image_response, redirect_response, sends, serving

NOT_PUBLIC_IPV4 = {
    "loopback": "127.0.0.1",
    "end of loopback": "127.255.255.254",
    "this network": "0.0.0.0",  # noqa: S104 - an address to refuse
    "in this network": "0.1.2.3",
    "private 10": "10.0.0.1",
    "private 172": "172.16.0.1",
    "end of private 172": "172.31.255.254",
    "private 192": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "end of carrier-grade NAT": "100.127.255.254",
    "link-local": "169.254.1.1",
    "metadata of AWS, Azure, GCP": "169.254.169.254",
    "metadata of ECS": "169.254.170.2",
    "EKS pod identity": "169.254.170.23",
    "Amazon time service": "169.254.169.123",
    "Amazon DNS": "169.254.169.253",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "Azure wire server": "168.63.129.16",
    "IETF protocols": "192.0.0.8",
    "port control anycast": "192.0.0.9",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "6to4 relay": "192.88.99.1",
    "AS112": "192.31.196.1",
    "benchmarking": "198.18.0.1",
    "end of benchmarking": "198.19.255.254",
    "multicast": "224.0.0.1",
    "SSDP": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
}
NOT_PUBLIC_IPV6 = {
    "loopback": "::1",
    "unspecified": "::",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped in hexadecimal": "::ffff:7f00:1",
    "mapped metadata": "::ffff:169.254.169.254",
    "mapped private": "::ffff:10.0.0.1",
    "mapped public": "::ffff:93.184.215.14",
    "compatible loopback": "::127.0.0.1",
    "compatible metadata": "::a9fe:a9fe",
    "translated (SIIT)": "::ffff:0:127.0.0.1",
    "6to4 loopback": "2002:7f00:1::",
    "6to4 private": "2002:a00:1::1",
    "NAT64 loopback": "64:ff9b::7f00:1",
    "NAT64 metadata": "64:ff9b::169.254.169.254",
    "local NAT64": "64:ff9b:1::a00:1",
    "Teredo": "2001:0:7f00:1::1",
    "Teredo, client inside": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "metadata of AWS": "fd00:ec2::254",
    "Amazon DNS": "fd00:ec2::253",
    "metadata of GCP": "fd20:ce::254",
    "EKS pod identity": "fd00:ec2::23",
    "unique local": "fc00::1",
    "link-local": "fe80::1",
    "site-local": "fec0::1",
    "multicast": "ff02::1",
    "documentation": "2001:db8::1",
    "documentation 2": "3fff::1",
    "benchmarking": "2001:2::1",
    "ORCHID": "2001:10::1",
    "ORCHIDv2": "2001:20::1",
    "discard": "100::1",
    "segment routing": "5f00::1",
    "unassigned": "4000::1",
    "ISATAP private": "fe80::5efe:a00:1",
}
NOT_PUBLIC = [
    *(pytest.param(address, id=f"{name} {address}") for name, address in NOT_PUBLIC_IPV4.items()),
    *(pytest.param(address, id=f"{name} {address}") for name, address in NOT_PUBLIC_IPV6.items()),
]

OTHER_SPELLINGS = [
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.0.0.1..",
    "0",
    "0x0",
    "127.000.000.001",
    "00000127.0.0.1",
    "4294967296",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "169.254.169.254.",
    "1.0x7f000001",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127.0.0.1%00.example.com",
    "\uff11\uff12\uff17.0.0.1",  # full-width digits
    "\u2460\u2461\u2466.0.0.1",  # digits in circles
    "127\u30020\u30020\u30021",  # ideographic full stops
    "127\uff0e0\uff0e0\uff0e1",  # full-width full stops
    "\uff3b::1\uff3d",
    "[::1",
    "::1",
    "[::1%25lo]",
    "[fe80::1%25eth0]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::FFFF:7F00:0001]",
    "[::ffff:0177.0.0.1]",
    "[::1].example.com",
    "[v1.127.0.0.1]",
]

PRIVATE_NAMES = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "\u24c1\u24c4\u24b8\u24b6\u24c1\u24bd\u24c4\u24c8\u24c9",  # letters in circles
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",  # full-width letters
    "anything.localhost",
    "metadata",
    "metadata.google.internal",
    "metadata.google.internal.",
    "METADATA.GOOGLE.INTERNAL",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.oraclecloud.com",
    "instance-data",
    "instance-data.ec2.internal",
    "ip-10-0-0-1.eu-west-1.compute.internal",
    "kubernetes.default.svc.cluster.local",
    "printer.local",
    "router.home.arpa",
]


def origin_of(address: str, scheme: str = "http") -> str:
    return f"{scheme}://[{address}]" if ":" in address else f"{scheme}://{address}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_non_public_address_is_not_fetched(attack: Attack, address: str, scheme: str) -> None:
    refusal = attack(f"{origin_of(address, scheme)}/image.png")

    assert type(refusal) is AddressNotPublic


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_with_a_non_public_address_is_not_fetched(
    internet: Internet, attack: Attack, address: str
) -> None:
    internet.names.zone["images.example"] = [[address]]

    refusal = attack("http://images.example/image.png")

    assert type(refusal) is AddressNotPublic
    assert address not in str(refusal)
    assert internet.names.lookups["images.example"] == 1


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_with_public_and_non_public_addresses_is_not_fetched(
    internet: Internet, attack: Attack, address: str
) -> None:
    with serving(sends(image_response())) as public:
        internet.route(PUBLIC, 80, public)
        internet.route(PUBLIC_IPV6, 80, public)
        internet.names.zone["images.example"] = [[PUBLIC, PUBLIC_IPV6, address]]

        refusal = attack("http://images.example/image.png")

        assert type(refusal) is AddressNotPublic
        assert public.traffic() == (0, b"")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_redirect_to_a_non_public_address_is_not_followed(
    internet: Internet, attack: Attack, address: str
) -> None:
    with serving(sends(redirect_response(f"{origin_of(address)}/secret"))) as public:
        internet.serve("images.example", public)

        refusal = attack("http://images.example/image.png")

        assert type(refusal) is AddressNotPublic
        assert public.traffic()[0] == 1


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_whose_address_changes_before_a_redirect_is_not_fetched(
    internet: Internet, attack: Attack, address: str
) -> None:
    with serving(sends(redirect_response("http://images.example/again"))) as public:
        internet.serve("images.example", public)
        internet.names.zone["images.example"] = [[PUBLIC], [address]]

        refusal = attack("http://images.example/image.png")

        assert type(refusal) is AddressNotPublic
        assert internet.names.lookups["images.example"] == 2


@pytest.mark.parametrize("host", [*OTHER_SPELLINGS, *PRIVATE_NAMES])
def test_other_spellings_and_private_names_are_not_fetched(
    internet: Internet, attack: Attack, host: str
) -> None:
    refusal = attack(f"http://{host}/image.png")

    assert type(refusal) in {AddressNotPublic, InvalidUrl}
    assert not internet.names.lookups


@pytest.mark.parametrize("host", [*OTHER_SPELLINGS, *PRIVATE_NAMES])
def test_redirects_to_other_spellings_and_private_names_are_not_followed(
    internet: Internet, attack: Attack, host: str
) -> None:
    with serving(sends(redirect_response(f"http://{host}/secret"))) as public:
        internet.serve("images.example", public)

        refusal = attack("http://images.example/image.png")

        assert type(refusal) in {AddressNotPublic, InvalidUrl}


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_control_without_the_guard_a_fetch_reaches_the_guarded_server(
    internet: Internet, address: str
) -> None:
    """Proves that the attacks above would reach the guarded server if they were not refused."""
    limits = FetchLimits(allowed_origins=parse_allowed_origins(origin_of(address)))

    content = fetch(f"{origin_of(address)}/image.png", limits).content

    assert content == SECRET
    assert internet.guarded.traffic()[0] == 1


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_IPV6])
def test_control_a_public_address_is_fetched(internet: Internet, address: str) -> None:
    with serving(sends(image_response())) as public:
        internet.route(address, 80, public)
        internet.names.zone["images.example"] = [[address], ["10.0.0.1"]]

        fetch("http://images.example/image.png", FetchLimits())
        fetch(f"{origin_of(address)}/image.png", FetchLimits())

        assert internet.names.lookups["images.example"] == 1
        assert public.traffic()[0] == 2
        assert internet.guarded.traffic() == (0, b"")
