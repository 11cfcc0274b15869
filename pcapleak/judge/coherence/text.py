"""The five vectors in sentences that a person understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pcapleak.judge.coherence.compare import Comparison
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.vectors import Sign, VectorName
from pcapleak.judge.coherence.zones import country_name
from pcapleak.values.words import sentences, series

Signs = Mapping[VectorName, Sign]
Places = Mapping[VectorName, Sequence[Place]]
Pairs = Mapping[tuple[VectorName, VectorName], Comparison]

_NOUNS: dict[VectorName, str] = {
    "exit": "exit",
    "webrtc": "WebRTC address",
    "time zone": "clock",
    "language": "languages",
    "resolver": "resolver",
}

_OBSERVERS: tuple[tuple[str, tuple[VectorName, ...]], ...] = (
    ("a page that runs scripts", ("exit", "webrtc", "time zone", "language")),
    ("a server without scripts", ("exit", "language")),
    ("the name servers of a page", ("exit", "resolver")),
    ("a STUN server", ("webrtc",)),
)

"""Who sees which vectors. A page's owner who also runs its name servers sees all five."""

_EXITS = {
    "hosting": "a hosting network, from which few people browse",
    "vpn": "a VPN's network",
    "relay": "a relay that many people share",
    "cdn": "a content network, where a VPN or relay may exit",
}


def where(place: Place) -> str:
    """`in Germany`, or why there is no such place."""
    if place.anycast:
        return "in many places at once"
    if not place.sources:
        return f"in a {place.special} range" if place.special else "in an unknown place"
    return "in " + " or ".join(map(_in_a_sentence, place.countries))


def _in_a_sentence(code: str) -> str:
    name = country_name(code)
    plural = name.startswith("United ") or name.endswith((" Islands", " Republic"))
    return f"the {name}" if plural or name in ("Netherlands", "Philippines", "Bahamas") else name


def network(place: Place) -> str:
    """`on the network of Example GmbH (AS64500, hosting)`."""
    if place.asn is None:
        return "on an unknown network"
    kind = "" if place.kind.kind == "unknown" else f", {place.kind.kind}"
    if place.organisation is None:
        return f"on the network AS{place.asn}{kind}"
    return f"on the network of {place.organisation} (AS{place.asn}{kind})"


def the_exit(sign: Sign) -> str:
    """`an exit`, or how it was guessed."""
    return "an exit (a guess: the endpoint's address)" if sign.guessed else "an exit"


def story(signs: Signs, places: Places, exposed: Sequence[str]) -> str:
    """`The page would see an exit in A, a WebRTC address in B and a clock set to C.`"""
    exit_ = signs["exit"]
    seen = [f"{the_exit(exit_)} {_several(places['exit'])}"] if exit_.known else []
    if "changes" in exit_.details:
        seen = [f"{seen[0]} that changes"]
    if signs["webrtc"].known:
        seen.append(f"a WebRTC address {_several(places['webrtc'])}")
    if signs["time zone"].known:
        seen.append(f"a clock set to {signs['time zone'].text}")
    if signs["language"].known:
        seen.append(f"a browser that asks for {signs['language'].text}")
    parts = [f"the page would see {series(seen)}"] if seen else []
    subnets = signs["resolver"].subnets
    asked = [place for place in places["resolver"] if place.address not in subnets]
    passed = [place for place in places["resolver"] if place.address in subnets]
    told = [f"a resolver {_several(asked)}"] if asked else []
    told += [f"a client subnet {_several(passed)}"] if passed else []
    if told:
        parts.append(f"its name servers {series(told)}")
    text = ", and ".join(parts)
    shown = series([*exposed[:4], *["more"] * (len(exposed) > 4)]) if exposed else ""
    beside = f"{shown} {'is' if len(exposed) == 1 else 'are'} visible outside it" if exposed else ""
    return sentences(text, beside)


def _several(places: Sequence[Place]) -> str:
    return " and ".join(dict.fromkeys(map(where, places)))


def pair_sentence(
    names: tuple[VectorName, VectorName], signs: Signs, comparison: Comparison
) -> str:
    """Both vectors' values and why the verdict is what it is."""
    one, other = comparison.one, comparison.other
    values = []
    for name, place in zip(names, (one, other), strict=True):
        sign = signs[name]
        if other is None:
            # Only one of the two is an address, which may be the second.
            place = one
        shown = place is not None and place.address in sign.addresses
        noun = "client subnet" if place and place.address in sign.subnets else _NOUNS[name]
        values.append(f"{noun} {sign.text_of(place.address) if place and shown else sign.text}")
    return f"{values[0]}, {values[1]}: {comparison.reason}"


class Conclusion(NamedTuple):
    """What one kind of observer could conclude from the vectors that reach it."""

    observer: str
    sees: list[VectorName]
    conclusion: str


def conclusions(signs: Signs, places: Places, pairs: Pairs) -> list[Conclusion]:
    """What each kind of observer could conclude from what reaches it."""
    found = []
    for observer, reach in _OBSERVERS:
        sees = [name for name in reach if signs[name].known]
        told = _told(sees, places, pairs)
        if told:
            found.append(Conclusion(observer, list(sees), "; ".join(told)))
    return found


def _told(sees: Sequence[VectorName], places: Places, pairs: Pairs) -> list[str]:
    told = []
    for place in places["exit"] if "exit" in sees else ():
        what = _EXITS.get(place.kind.kind)
        if what is not None:
            guess = "perhaps " if place.kind.confidence == "low" else ""
            told.append(f"the client exits through {guess}{what}")
            break
    seen = {names: pairs[names] for names in pairs if set(names) <= set(sees)}
    against = [names for names, one in seen.items() if one.verdict == "disagree"]
    fits = [names for names, one in seen.items() if one.verdict == "agree"]
    if ("exit", "exit") in against:
        told.append("its IPv4 and IPv6 traffic exits in different countries")
        against.remove(("exit", "exit"))
    contrary = [names for names in against if names[0] == "exit"]
    if contrary:
        nouns = series([f"the {_NOUNS[name]}" for _, name in contrary])
        say = "say" if len(contrary) > 1 or contrary[0][1] == "language" else "says"
        told.append(f"the exit is not where the client is: {nouns} {say} otherwise")
    elif against:
        told.append(f"the {_NOUNS[against[0][0]]} and the {_NOUNS[against[0][1]]} do not fit")
    elif fits and len(fits) == len(seen):
        told.append("nothing contradicts the exit" if "exit" in sees else "nothing contradicts")
    homes = [place for place in places["webrtc"] if place.country] if "webrtc" in sees else []
    if homes and (contrary or "exit" not in sees):
        told.append(f"the client is probably {where(homes[0])} {network(homes[0])}")
    return told
