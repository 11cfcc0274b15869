"""PL4xx: whether exit, WebRTC address, clock, languages and resolver tell one story."""

from __future__ import annotations

from pcapleak.judge.findings.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "PL401",
        "coherence-country",
        "medium",
        "The exit and an address that WebRTC shows are in different countries.",
        "A page holds the address it is visited from against the one WebRTC tells. Two "
        "countries mark the user as behind a VPN or proxy, and the second one is where they are.",
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses.",
        "Stop the WebRTC address from being shown (see PL101); an exit in the same country "
        "hides the difference from this check only.",
        ("docs/coherence.md",),
        "Countries of addresses are estimates: where sources differ, or one alone knows, "
        "nothing is claimed, and so some contradictions are missed.",
    ),
    Entry(
        "PL402",
        "coherence-network",
        "medium",
        "The exit and an address that WebRTC shows are of different networks (autonomous "
        "systems), also where their countries are the same.",
        "Nobody visits a page through two providers at once. An exit of a hosting company and "
        "a WebRTC address of a provider for homes are a VPN or proxy and its user.",
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses.",
        "Stop the WebRTC address from being shown (see PL101). That the exit itself is of a "
        "hosting network, only another exit changes.",
        ("docs/coherence.md", "RFC 1930"),
        "A host with two providers, or a VPN whose servers come out of several networks, looks "
        "the same. The kind of a network is sure for a table of known ones alone.",
    ),
    Entry(
        "PL403",
        "coherence-time-zone",
        "medium",
        "The clock's time zone is none of the exit's country, and shows another time.",
        "Every page can read the time zone, and holds it against the country it is visited "
        "from; it tells the region in spite of the exit.",
        "Compare Intl.DateTimeFormat().resolvedOptions().timeZone in the browser's console with "
        "what `pcapleak geo` says of the exit.",
        "Set the browser's time zone to the exit's, or use a browser that reports UTC to all.",
        ("docs/coherence.md", "RFC 6557"),
        "Travellers keep their home's zone. Packets seldom tell it, so it is mostly as stated. "
        "A zone of another country with the same clock is uncertain, though its name differs.",
    ),
    Entry(
        "PL404",
        "coherence-language",
        "medium",
        "The browser asks for languages that are foreign in the exit's country.",
        "Accept-Language goes with every request, and scripts read the same list; it hints at "
        "where the user is from.",
        "Filter http.accept_language, where requests are in clear.",
        "Set the browser's languages to a common list, such as en-US alone.",
        ("docs/coherence.md", "RFC 9110 section 12.5.4"),
        "People keep their language abroad, so this is a hint and no proof. English alone is "
        "never held against anyone.",
    ),
    Entry(
        "PL405",
        "coherence-resolver",
        "medium",
        "The DNS resolver, or the client subnet its questions carry, is of another country or "
        "of the client's own provider, and not of the exit's.",
        "The name servers of a page see which resolver asks for it. A resolver of the user's "
        "own provider names that provider in spite of the exit.",
        "Filter dns.flags.response == 0 and look at where questions go; dns.opt.client.addr4 "
        "shows client subnets.",
        "Use the tunnel's resolver, or resolve through the proxy (see PL203).",
        ("docs/coherence.md", "RFC 7871 section 11"),
        "The address a resolver asks from may be another than the one it is asked at. Public "
        "resolvers answer from everywhere, and a router hides the one behind it.",
    ),
    Entry(
        "PL406",
        "candidate-set-shape",
        "low",
        "The candidate set is not what a browser with nothing set produces: relay candidates "
        "only, no host candidate, raw host addresses, or a server's view equal to the interface.",
        "Which candidates a page gets depends on browser, settings and network; an unusual set "
        "marks a hardened or unusual client, or a machine in a data centre.",
        "Read the candidates of the session in the report.",
        "None needed where it is the price of hiding addresses; take camera and microphone "
        "permissions back where raw addresses show.",
        ("RFC 8828 section 5.2", "RFC 8828 section 7"),
        "Packets do not show all candidates that a page reads. A page may ask for relay "
        "candidates only, and any client may have a public address of its own.",
    ),
)
