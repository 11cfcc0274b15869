"""Which labels of names stay: those that the whole world knows, by lists and as exact names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pcapleak.judge.exemptions import CONNECTIVITY_CHECKS
from pcapleak.track.ice.browsers import SERVICES
from pcapleak.track.public_resolvers import RESOLVER_NAMES

_BELOW = frozenset(
    (
        "mozilla.cloudflare-dns.com", "chrome.cloudflare-dns.com", "one.one.one.one",
        "firefox.dns.nextdns.io", "chromium.dns.nextdns.io", "anycast.dns.nextdns.io",
        "firefox.settings.services.mozilla.com", "push.services.mozilla.com",
        "location.services.mozilla.com", "contile.services.mozilla.com",
        "merino.services.mozilla.com", "shavar.services.mozilla.com",
        "tracking-protection.cdn.mozilla.net", "_dns.resolver.arpa",
    )
)  # fmt: skip
"""Names below those that programs and not users choose."""

KEPT_NAMES = frozenset(RESOLVER_NAMES | CONNECTIVITY_CHECKS | SERVICES.keys() | _BELOW)
"""Names the whole world asks for, which findings know by name. What stands below one of them may
be somebody's (a customer's number, a device), and is renamed."""

KEPT_LABELS = frozenset(
    (b"local", b"localhost", b"arpa", b"in-addr", b"ip6", b"invalid", b"www")
)  # fmt: skip
"""Labels that stay wherever they stand."""

_KEPT_LAST = frozenset(
    (b"test", b"example", b"onion", b"alt", b"internal", b"lan", b"home", b"localdomain",
     b"intranet", b"private", b"corp")
)  # fmt: skip
"""Last labels that stand in no root zone: RFC 6761, RFC 6762 appendix G, and what routers give."""

_SERVICES = frozenset(
    b"""
    tcp udp sub services dns-sd dns-update dns-llq dns dot doq doh udns dns-push domain
    acme-challenge dmarc domainkey domainconnect mta-sts smtp tls 443 25 report
    http https http-alt www ftp ftp-data ssh sftp-ssh telnet rfb vnc rdp ntp snmp ldap ldaps gc
    kerberos kerberos-master kerberos-adm kpasswd msdcs sites vlmcs autodiscover autodiscover-tls
    imap imaps pop3 pop3s submission submissions sieve caldav caldavs carddav carddavs webdav
    webdavs ischedule sip sips sipfederationtls stun stuns turn turns stun-behavior xmpp-client
    xmpp-server xmpps-client xmpps-server jabber xmppconnect presence presence-olm matrix
    matrix-fed matrix-identity minecraft ts3 afpovertcp smb nfs adisk device-info afs3-prserver
    afs3-vlserver airplay airplay-bds airport raop apple-mobdev apple-mobdev2 apple-pairable
    appletv-v2 companion-link continuity dacp daap dpap eppc hap homekit home-sharing mediaremotetv
    remotepairing remotepairing-manual-pairing rdlink sleep-proxy touch-able touch-remote airdrop
    asquic tunnel keynotepair keynotecontrol googlecast googlezone googlerpc androidtvremote
    androidtvremote2 adb adb-tls-connect adb-tls-pairing fc9f5ed42c8a nearby smartview samsungmsf
    spotify-connect sonos soundtouch sues800device heos-audio roku ecp amzn-wplay amzn-alexa
    amazonecho-remote lutron hue philipshue wled esphomelib home-assistant mqtt secure-mqtt coap
    coaps coap-tcp hap-udp matter matterc matterd meshcop trel srpl-tls srpl-tls-sub ipp ipps
    ipp-tls printer pdl-datastream scanner uscan uscans privet ptp fax-ipp universal print cups
    ippusb canon-bjnp1 workstation sane-port pulse-server pulse-sink pulse-source jetdirect nut
    printop rsp rtsp upnp ssdp mdns distcc svn git bitcoin nvstream nvstream_dbd plexmediasvr
    plex jellyfin kodi xbmc-jsonrpc xbmc-jsonrpc-h xbmc-events teamviewer rustdesk openvpn wireguard
    ipsec l2tp radsec radiustls aaa aaas eap xenserver vmware docker etcd-client etcd-server
    etcd-client-ssl etcd-server-ssl etcd-server-peer zookeeper kafka mongodb mysql postgresql redis
    collab bonjour ichat slpda net-assistant odisk omnistate rfbs scpi scpi-raw scpi-telnet lxi
    vxi-11 hislip axis-video psia nmos-node nmos-query nmos-register nmos-registration ravenna
    ravenna_session netaudio-arc netaudio-cmc netaudio-chan netaudio-dbc amiga esp arduino witap
    ws wss webrtc whip whep signal libp2p ipfs-discovery p2p nostr bzr kdeconnect syncthing
    localsend snapcast snapcast-tcp snapcast-jsonrpc snapcast-http mpd dante shelly tasmota
    miio miot-central yeelink leap elg bose-soundtouch logitech-reverse-bonjour viziocast
    zoomus-rooms dropbox-lansync
    """.split()
)
"""Names of services below `_` (RFC 6335, RFC 6763, RFC 8552), which programs and not users choose.
Subtypes and Matter's fabrics are not among them."""


@cache
def last_labels() -> frozenset[bytes]:
    """The top-level domains of the root zone, and what is used like one."""
    text = Path(__file__).with_name("tlds.txt").read_bytes()
    return frozenset(text.split()) | _KEPT_LAST


def kept_from(labels: tuple[bytes, ...]) -> int:
    """From which label on a name, in lower case, stays as it is: the whole world asks for the rest.

    As many as there are where nothing stays so.
    """
    texts = [label.decode("latin-1") for label in labels]
    while texts and not texts[-1]:
        del texts[-1]
    return next(
        (at for at in range(len(texts) - 1) if ".".join(texts[at:]) in KEPT_NAMES), len(labels)
    )


def is_service(label: bytes) -> bool:
    """Whether a label, in lower case, names a service."""
    return label[:1] == b"_" and label[1:] in _SERVICES
