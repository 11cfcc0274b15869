"""What kind of network an autonomous system is: hosting, CDN, VPN, relay, mobile or residential.

No registry says so. A table of well-known systems is sure; a company's own name is nearly so; the
words of an organisation's name are a guess, and are said to be one. What is left are mostly
companies', universities' and states' own networks, and small providers: unknown.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pcapleak.values.evidence import Confidence

NetworkKind = Literal["hosting", "cdn", "vpn", "relay", "mobile", "residential", "unknown"]


class Kind(NamedTuple):
    """The kind of a network, how surely, and why."""

    kind: NetworkKind
    confidence: Confidence | None
    reason: str


UNKNOWN = Kind("unknown", None, "nothing shows it")

_SYSTEMS: dict[NetworkKind, tuple[int, ...]] = {
    # Clouds, hosting companies, and carriers whose customers are machines in racks.
    "hosting": (
        90, 174, 699, 792, 1299, 2914, 3257, 3598, 6939, 7684, 8068, 8069, 8070, 8075, 8100, 8560,
        8987, 9002, 9009, 9370, 9371, 12586, 12876, 13237, 13768, 14061, 14618, 15003, 15169,
        15395, 15519, 16125, 16265, 16276, 16509, 16550, 17378, 19318, 19527, 19871, 20454, 20473,
        20860, 21859, 22612, 24940, 25369, 25820, 26347, 26496, 27715, 28753, 29066, 29447, 29802,
        29873, 30083, 30633, 31898, 32475, 33070, 33425, 33438, 33970, 35106, 35913, 35916, 36351,
        36352, 37963, 39351, 39572, 40676, 42708, 42831, 43317, 43350, 43515, 44066, 44592, 44901,
        45090, 45102, 46261, 46475, 46562, 46606, 46844, 47583, 48282, 49367, 49505, 49981, 50304,
        50673, 51167, 51332, 51396, 51852, 53667, 53850, 54203, 54253, 54290, 54600, 54825, 54994,
        55081, 55286, 55933, 55967, 55990, 57043, 58061, 59253, 60068, 60404, 60781, 61317,
        62217, 62240, 62563, 62567, 62904, 63023, 63949, 64267, 132203, 133752, 134548, 134963,
        135354, 136557, 137718, 139341, 141039, 150436, 197540, 197695, 198605, 199524, 200651,
        201814, 202422, 202425, 202448, 203020, 204957, 205544, 206092, 206804, 207990, 211612,
        212238, 394089, 395092, 395954, 396356, 396982, 397423, 398101, 400940, 401115,
    ),
    # Machines in front of other companies' sites, under addresses that are in many places.
    "cdn": (12222, 13335, 15133, 16625, 19551, 20940, 22822, 30148, 32787, 54113, 60626),
    "vpn": (
        62371, 136787, 141995, 147049, 199218, 203619, 207137, 208172, 209103, 209854, 216025,
        397540,
    ),
    # Egress of iCloud Private Relay and Cloudflare WARP: many users, no place of their own.
    "relay": (36183, 132892, 209242),
    "mobile": (
        5079, 6167, 9605, 9808, 12576, 15895, 16135, 20057, 21928, 22394, 26615, 31042, 34058,
        37168, 38266, 38466, 44034, 44244, 45143, 45609, 45727, 51207, 55836, 197207, 203995,
        206067, 212223,
    ),
    "residential": (
        209, 577, 701, 702, 795, 852, 1136, 1221, 1267, 1403, 1680, 2516, 2519, 2527, 2856, 2860,
        3209, 3215, 3243, 3269, 3292, 3301, 3303, 3320, 3352, 3462, 3741, 3758, 4134, 4713, 4739,
        4766, 4771, 4788, 4837, 5089, 5410, 5432, 5466, 5607, 5617, 5650, 5769, 6128, 6147, 6327,
        6389, 6400, 6713, 6730, 6805, 6830, 7018, 7029, 7132, 7303, 7482, 7738, 7922, 8047, 8048,
        8151, 8167, 8369, 8452, 8708, 8881, 9121, 9318, 9790, 9845, 10796, 11351, 11426, 11427,
        12271, 12252, 12322, 12350, 12353, 12430, 12479, 12709, 12741, 12874, 12978, 13188, 13285,
        14638, 15435, 15557, 15943, 16010, 17306, 17511, 17552, 17676, 17839, 17858, 19165, 20001,
        20115, 21497, 21826, 22047, 22773, 22995, 23089, 23889, 26599, 26611, 27699, 28812, 30036,
        30722, 31334, 33363, 33588, 33915, 35805, 36149, 36903, 38841, 44869, 47331, 50266, 55410,
        210278,
    ),
}  # fmt: skip
_KIND_OF = {number: kind for kind, numbers in _SYSTEMS.items() for number in numbers}

_CLOUDS = (
    r"amazon(?:\.com| tech| data)|microsoft (?:corp|azure)|google (?:llc|cloud)|alibaba|tencent|"
    r"huawei|oracle (?:corp|cloud)|digitalocean|linode|hetzner|\bovh|scaleway|leaseweb|"
    r"contabo|hostinger|ionos|rackspace|"
    r"godaddy|sakura internet|selectel|zenlayer|coreweave|equinix|aptum|internap|tierpoint|m247|"
    r"datacamp|choopa|constant company|vultr|quadranet|psychz|colocrossing|hostpapa|hostroyale|"
    r"worldstream|serverius|servers\.com|upcloud|exoscale|infomaniak|glesys|clouvider|buyvm|"
    r"frantech|kamatera|gcore|g-core|netcup|aruba s|31173 services|xtom|misaka|creanova|"
    r"interserver|ramnode|dreamhost|packet host|byteplus|volcano engine|multacom|peg tech|"
    r"hivelocity|stark industries|\baeza|timeweb|beget|firstcolo|myloc|plusserver|combahton"
)
_VPNS = (
    r"vpn\b|\bvpn|mullvad|surfshark|cyberzone|packethub|tefincom|windscribe|perfect privacy|"
    r"private internet access|cyberghost|ipvanish|torguard|privado networks"
)
_PROVIDERS = (
    # North America
    r"comcast cable|charter communications|cox communications|cablevision|optimum\b|altice|"
    r"frontier communications|windstream|centurylink|brightspeed|mediacom|wideopenwest|"
    r"breezeline|midcontinent comm|\brcn\b|grande communications|suddenlink|sonic telecom|"
    r"google fiber|ziply|consolidated communications|tds telecom|viasat|space exploration|"
    r"hughes network|"
    r"wave broadband|metronet|armstrong|cable ?one|cincinnati bell|earthlink|hawaiian telcom|"
    r"rogers communications|bell canada|shaw communications|telus|videotron|cogeco|teksavvy|"
    r"sasktel|eastlink|distributel|xplore|allo communications|hotwire|"
    # Europe
    r"virgin media|sky uk|talktalk|plusnet|british telecommunications|hyperoptic|zen internet|"
    r"kcom|community fibre|gigaclear|youfibre|cityfibre|eircom|free sas|proxad|bouygues|"
    r"orange (?:s\.a|espagne|polska|romania|belgium|slovensko|tunisie|egypt|moldova)|"
    r"radiotelephone|telefonica[ _](?:de|germany|brasil|chile|argentina|venezolana|del peru|mov)|"
    r"vodafone|virgin telecom|masmovil|digi spain|euskaltel|jazztel|wind tre|fastweb|tiscali|"
    r"telecom italia|iliad|eolo s|sky italia|versatel|unitymedia|ewe tel|netcologne|m-net tele|"
    r"tele columbus|deutsche glasfaser|wilhelm\.tel|liberty ?global|\bupc\b|ziggo|libertel|odido|"
    r"\bkpn\b|delta fiber|proximus|telenet\b|swisscom|sunrise|salt mobile|init7|quickline|telia\b|"
    r"telenor|tele2|bredband|bahnhof|com ?hem\b|\btdc\b|norlys|\bstofa|fibia|elisa oyj|dna oyj|"
    r"altibox|lyse tele|globalconnect|netia s|p4 sp|vectra s|inea s|multimedia polska|polkomtel|"
    r"o2 czech|\bcetin|magyar tele|rcs ?& ?rds|digi (?:romania|tavk)|vivacom|yettel|telemach|"
    r"a1 (?:telekom|bulgaria|hrvatska|slovenija|austria|makedonija|srbija)|cosmote|hellenic "
    r"telecom|forthnet|nos comunicac|\bmeo\b|nowo\b|kyivstar|ukrtelecom|vf ukraine|lifecell|"
    r"rostelecom|vimpelcom|mts pjsc|megafon|er-telecom|ertelecom|\bmgts|beltelecom|kazakhtelecom|"
    r"kcell|uztelecom|silknet|magticom|telekom srbija|hrvatski telekom|telekom slovenije|melita|"
    # Asia and the Pacific
    r"turkcell|superonline|ttnet|turk telekom|turksat|bezeq|partner communications|cellcom|"
    r"hot-net|etisalat|emirates (?:tele|integ)|mobily|\bzain\b|ooredoo|batelco|omantel|"
    r"saudi telecom|iran telecommunication|irancell|iran cell|shatel|pars online|rightel|"
    r"chinanet|china169|"
    r"china unicom|china ?telecom|china mobile|cmnet|tietong|gehua|oriental cable|jin-rong|"
    r"hong kong broadband|\bhkt\b|hgc global|smartone|hutchison|data communication business|"
    r"hinet|far eas ?tone|taiwan fixed|taiwan mobile|digital united|hoshin|kbro|korea telecom|"
    r"sk broadband|lg (?:dacom|powercomm|uplus|hellovision)|dlive|dreamline|kddi|softbank|"
    r"docomo|so-net|biglobe|asahi net|optage|jcom co|arteria|qtnet|tokai com|freebit|chubu|"
    r"rakuten mobile|telstra|optus|microplex|tpg telecom|vocus|aussie broadband|superloop|iinet|"
    r"internode|spark new zealand|one new zealand|two degrees|reliance jio|bharti|airtel|bsnl|"
    r"national internet backbone|vodafone idea|hathway|atria conv|tata (?:play|teleservices)|"
    r"pakistan telecom|nayatel|dialog axiata|sri lanka telecom|grameenphone|banglalink|worldlink|"
    r"telekomunikasi indo|telkomsel|indosat|xl axiata|biznet|linknet|first ?media|smartfren|"
    r"myrepublic|tm technology|maxis|celcom|time dotcom|singtel|singnet|starhub|viewqwest|"
    r"true (?:online|internet)|tot public|triple t|advanced wireless|vnpt|viettel|fpt telecom|"
    r"mobifone|philippine long distance|globe telecom|converge ict|sky cable|"
    # Latin America and Africa
    r"uninet|telmex|mega ?cable|totalplay|axtel|claro\b|comcel|une epm|tigo|movistar|"
    r"colombia telecomunicaciones|tim s/a|v\.? ?tal\b|nextel|algar|brisanet|unifique|ligga|"
    r"telecom argentina|telecentro|administracion nacional de tele|entel |vtr banda|"
    r"mundo pacifico|integratel|cantv|dominicana de telefonos|america movil|te data|tedata|"
    r"link egypt|egyptian company for mobile|telkom sa|\bmtn\b|vodacom|cell c\b|afrihost|"
    r"safaricom|globacom|scancom|maroc|meditelecom|wana corporate|itissalat|telecom algeria|"
    r"office national des postes|tunisie tele|topnet|liquid telecom|unitel sa"
)
_PHONES = (
    r"t-mobile|mobilcom|cellular|\bmobile?\b|\bmobil\b|\bgsm\b|\blte\b|wireless|celular|movil|"
    r"gprs|safaricom|iran ?cell|rightel|lifecell|smartfren|telkomsel|celcom|kcell|polkomtel|yettel"
)
_HOSTS = (
    r"hosting|\bhost\b|\bhosts\b|hoster|\bcloud|servers?\b|\bvps\b|data ?cent(?:er|re)|\bcolo\b|"
    r"colocation|dedicated|\bidc\b"
)
_ACCESS = (
    r"telecom|telekom|broadband|\bcable\b|\bfib(?:er|re|ra)\b|telephone|telecomunica|provedor|"
    r"\bisp\b|internet service|banda larga|catv"
)


def network_kind(asn: int | None, organisation: str | None) -> Kind:
    """The kind of an autonomous system: high from the table, medium by a company's name, low
    from other words of it.

    A system of a telephone company holds homes, phones and its own data centres, so
    `residential` is never surer than medium.
    """
    known = _KIND_OF.get(asn) if asn is not None else None
    if known is not None:
        sure: Confidence = "medium" if known in ("residential", "mobile") else "high"
        return Kind(known, sure, f"AS{asn} is in the table of {known} networks")
    name = organisation or ""
    if _search(_VPNS, name):
        return _by_name("vpn", "medium", _VPNS, name)
    if _search(_CLOUDS, name):
        return _by_name("hosting", "medium", _CLOUDS, name)
    if _search(_HOSTS, name):
        return _by_name("hosting", "low", _HOSTS, name)
    if _search(_PROVIDERS, name):
        kind: NetworkKind = "mobile" if _search(_PHONES, name) else "residential"
        return _by_name(kind, "medium", _PROVIDERS, name)
    if _search(_PHONES, name):
        return _by_name("mobile", "low", _PHONES, name)
    if _search(_ACCESS, name):
        return _by_name("residential", "low", _ACCESS, name)
    return UNKNOWN


def _search(words: str, name: str) -> re.Match[str] | None:
    # Not compiled before a name is looked at, which most captures need not.
    return re.search(words, name, re.IGNORECASE)


def _by_name(kind: NetworkKind, sure: Confidence, words: str, name: str) -> Kind:
    found = _search(words, name)
    return Kind(kind, sure, f"the organisation's name has {found[0] if found else ''!r}")


_LEGAL = frozenset(
    (
        "ab", "ag", "as", "asa", "a/s", "bv", "b.v.", "co", "company", "corp", "corporation",
        "enterprises", "gmbh", "group", "holding", "inc", "inc.", "international", "jsc", "kg",
        "limited", "llc", "llc.", "ltd", "ltd.", "n.v.", "nv", "oy", "oyj", "pjsc", "plc", "pt",
        "pt.", "s.a.", "s.a.s.", "s.l.", "s.p.a.", "s.r.l.", "sa", "sas", "sl", "spa", "sp",
        "srl", "z", "o.o.", "&", "and",
    )
)  # fmt: skip
_GENERAL = frozenset(
    (
        "american", "asia", "british", "cable", "china", "digital", "deutsche", "east",
        "emirates", "first", "global", "hong", "internet", "iran", "japan", "korea", "national",
        "network", "networks", "north", "open", "pacific", "saudi", "south", "tele", "telecom",
        "telecommunications", "telekom", "united", "west",
    )
)  # fmt: skip


def same_company(one: str | None, other: str | None) -> bool:
    """Whether two organisations are one by their names: without legal forms the same, all words
    of one within the other's, or both the same provider's by `_PROVIDERS`: `True Online` and
    `True Internet`."""
    mine, theirs = _words(one), _words(other)
    if not mine or not theirs:
        return False
    if mine == theirs:
        return len(mine) > 1 or not mine <= _GENERAL
    if mine <= theirs or theirs <= mine:
        return not mine <= _GENERAL and not theirs <= _GENERAL
    brands = [_search(_PROVIDERS, name or "") for name in (one, other)]
    first, second = (brand[0].lower().split() if brand else [] for brand in brands)
    if not first or not second:
        return False
    return first == second or (first[0] == second[0] and first[0] not in _GENERAL)


def _words(name: str | None) -> set[str]:
    words = re.split(r"[\s,\"()_]+", (name or "").lower())
    return {word for word in words if word} - _LEGAL
