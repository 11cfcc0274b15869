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


def _phrases(text: str) -> tuple[str, ...]:
    """What names are searched for: words as they follow each other, whatever stands between them.
    A line below marks where a word must begin or end."""
    return tuple(phrase.replace("_", " ") for phrase in text.split(", "))


_CLOUDS = _phrases(
    "amazon com, amazon tech, amazon data, microsoft corp, microsoft azure, google llc, google "
    "cloud, alibaba, tencent, huawei, oracle corp, oracle cloud, digitalocean, linode, hetzner, "
    "_ovh, scaleway, leaseweb, contabo, hostinger, ionos, rackspace, godaddy, sakura internet, "
    "selectel, zenlayer, coreweave, equinix, aptum, internap, tierpoint, m247, datacamp, choopa, "
    "constant company, vultr, quadranet, psychz, colocrossing, hostpapa, hostroyale, "
    "worldstream, serverius, servers com, upcloud, exoscale, infomaniak, glesys, clouvider, "
    "buyvm, frantech, kamatera, gcore, _g core, netcup, aruba s, 31173 services, xtom, misaka, "
    "creanova, interserver, ramnode, dreamhost, packet host, byteplus, volcano engine, multacom, "
    "peg tech, hivelocity, stark industries, _aeza, timeweb, beget, firstcolo, myloc, "
    "plusserver, combahton"
)
_VPNS = _phrases(
    "vpn_, _vpn, mullvad, surfshark, cyberzone, packethub, tefincom, windscribe, perfect "
    "privacy, private internet access, cyberghost, ipvanish, torguard, privado networks"
)
_PROVIDERS = _phrases(
    # North America
    "comcast cable, charter communications, cox communications, cablevision, optimum_, altice, "
    "frontier communications, windstream, centurylink, brightspeed, mediacom, wideopenwest, "
    "breezeline, midcontinent comm, _rcn_, grande communications, suddenlink, sonic telecom, "
    "google fiber, ziply, consolidated communications, tds telecom, viasat, space exploration, "
    "hughes network, wave broadband, metronet, armstrong, cable one, cableone, cincinnati bell, "
    "earthlink, hawaiian telcom, rogers communications, bell canada, shaw communications, telus, "
    "videotron, cogeco, teksavvy, sasktel, eastlink, distributel, xplore, allo communications, "
    "hotwire, "
    # Europe
    "virgin media, sky uk, talktalk, plusnet, british telecommunications, hyperoptic, zen "
    "internet, kcom, community fibre, gigaclear, youfibre, cityfibre, eircom, free sas, proxad, "
    "bouygues, orange s a, orange espagne, orange polska, orange romania, orange belgium, orange "
    "slovensko, orange tunisie, orange egypt, orange moldova, radiotelephone, telefonica de, "
    "telefonica germany, telefonica brasil, telefonica chile, telefonica argentina, telefonica "
    "venezolana, telefonica del peru, telefonica mov, vodafone, virgin telecom, masmovil, digi "
    "spain, euskaltel, jazztel, wind tre, fastweb, tiscali, telecom italia, iliad, eolo s, sky "
    "italia, versatel, unitymedia, ewe tel, netcologne, _m net tele, tele columbus, deutsche "
    "glasfaser, wilhelm tel, liberty global, libertyglobal, _upc_, ziggo, libertel, odido, "
    "_kpn_, delta fiber, proximus, telenet_, swisscom, sunrise, salt mobile, init7, quickline, "
    "telia_, telenor, tele2, bredband, bahnhof, com hem_, comhem_, _tdc_, norlys, _stofa, fibia, "
    "elisa oyj, dna oyj, altibox, lyse tele, globalconnect, netia s, p4 sp, vectra s, inea s, "
    "multimedia polska, polkomtel, o2 czech, _cetin, magyar tele, rcs rds, digi romania, digi "
    "tavk, vivacom, yettel, telemach, a1 telekom, a1 bulgaria, a1 hrvatska, a1 slovenija, a1 "
    "austria, a1 makedonija, a1 srbija, cosmote, hellenic telecom, forthnet, nos comunicac, "
    "_meo_, nowo_, kyivstar, ukrtelecom, vf ukraine, lifecell, rostelecom, vimpelcom, mts pjsc, "
    "megafon, _er telecom, ertelecom, _mgts, beltelecom, kazakhtelecom, kcell, uztelecom, "
    "silknet, magticom, telekom srbija, hrvatski telekom, telekom slovenije, melita, "
    # Asia and the Pacific
    "turkcell, superonline, ttnet, turk telekom, turksat, bezeq, partner communications, "
    "cellcom, _hot net, etisalat, emirates tele, emirates integ, mobily, _zain_, ooredoo, "
    "batelco, omantel, saudi telecom, iran telecommunication, irancell, iran cell, shatel, pars "
    "online, rightel, chinanet, china169, china unicom, china telecom, chinatelecom, china "
    "mobile, cmnet, tietong, gehua, oriental cable, _jin rong, hong kong broadband, _hkt_, hgc "
    "global, smartone, hutchison, data communication business, hinet, far eas tone, far eastone, "
    "taiwan fixed, taiwan mobile, digital united, hoshin, kbro, korea telecom, sk broadband, lg "
    "dacom, lg powercomm, lg uplus, lg hellovision, dlive, dreamline, kddi, softbank, docomo, "
    "_so net, biglobe, asahi net, optage, jcom co, arteria, qtnet, tokai com, freebit, chubu, "
    "rakuten mobile, telstra, optus, microplex, tpg telecom, vocus, aussie broadband, superloop, "
    "iinet, internode, spark new zealand, one new zealand, two degrees, reliance jio, bharti, "
    "airtel, bsnl, national internet backbone, vodafone idea, hathway, atria conv, tata play, "
    "tata teleservices, pakistan telecom, nayatel, dialog axiata, sri lanka telecom, "
    "grameenphone, banglalink, worldlink, telekomunikasi indo, telkomsel, indosat, xl axiata, "
    "biznet, linknet, first media, firstmedia, smartfren, myrepublic, tm technology, maxis, "
    "celcom, time dotcom, singtel, singnet, starhub, viewqwest, true online, true internet, tot "
    "public, triple t, advanced wireless, vnpt, viettel, fpt telecom, mobifone, philippine long "
    "distance, globe telecom, converge ict, sky cable, "
    # Latin America and Africa
    "uninet, telmex, mega cable, megacable, totalplay, axtel, claro_, comcel, une epm, tigo, "
    "movistar, colombia telecomunicaciones, _tim s a, v tal_, vtal_, nextel, algar, brisanet, "
    "unifique, ligga, telecom argentina, telecentro, administracion nacional de tele, _entel_, "
    "vtr banda, mundo pacifico, integratel, cantv, dominicana de telefonos, america movil, te "
    "data, tedata, link egypt, egyptian company for mobile, telkom sa, _mtn_, vodacom, cell c_, "
    "afrihost, safaricom, globacom, scancom, maroc, meditelecom, wana corporate, itissalat, "
    "telecom algeria, office national des postes, tunisie tele, topnet, liquid telecom, unitel "
    "sa"
)
_PHONES = _phrases(
    "_t mobile, mobilcom, cellular, _mobile_, _mobil_, _gsm_, _lte_, wireless, celular, movil, "
    "gprs, safaricom, iran cell, irancell, rightel, lifecell, smartfren, telkomsel, celcom, "
    "kcell, polkomtel, yettel"
)
_HOSTS = _phrases(
    "hosting, _host_, _hosts_, hoster, _cloud, servers_, server_, _vps_, data center, "
    "datacenter, data centre, datacentre, _colo_, colocation, dedicated, _idc_"
)
_ACCESS = _phrases(
    "telecom, telekom, broadband, _cable_, _fiber_, _fibre_, _fibra_, telephone, telecomunica, "
    "provedor, _isp_, internet service, banda larga, catv"
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


def _search(phrases: tuple[str, ...], name: str) -> str | None:
    """The first part of a name that is one of the phrases; plain texts, for to compile as many
    patterns would take longer than to read a small capture."""
    plain = f" {_BETWEEN.sub(' ', name.lower())} "
    found = min(
        ((at, phrase) for phrase in phrases if (at := plain.find(phrase)) >= 0),
        default=None,
        key=lambda one: one[0],
    )
    return None if found is None else found[1].strip()


_BETWEEN = re.compile(r"[\W_]+")


def _by_name(kind: NetworkKind, sure: Confidence, phrases: tuple[str, ...], name: str) -> Kind:
    return Kind(kind, sure, f"the organisation's name has {_search(phrases, name) or ''!r}")


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
    first, second = (brand.split() if brand else [] for brand in brands)
    if not first or not second:
        return False
    return first == second or (first[0] == second[0] and first[0] not in _GENERAL)


def _words(name: str | None) -> set[str]:
    words = re.split(r"[\s,\"()_]+", (name or "").lower())
    return {word for word in words if word} - _LEGAL
