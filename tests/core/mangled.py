"""Tables that look real and are broken; equal seeds break them equally."""

from collections.abc import Iterator
from random import Random  # noqa: TID251 # seeded, for a million inputs that hypothesis is slow at

ENTRIES = [
    b"17 * * * * root cd / && run-parts --report /etc/cron.hourly",
    b"-*/15 * * * * root test -x /usr/lib/cron/run-crons && /usr/lib/cron/run-crons",
    b"0 9 * * 1-5 tz=America/New_York retry=3,30s..10m market /opt/market/open",
    b'*/5 * * * * name=sync timeout=4m jitter=60s cwd="/srv/a b" www-data rsync -a /srv/a/ /b/',
    b"@daily retry=5,1m retry-on=75,timeout,!78 catchup=latest catchup-within=2d root apt-get x",
    b"H H(1-5) L,15W jan-mar 5#3 when=load<4,mem>2G,psi.cpu<20,ac slots=auto:4 root make",
    b"10~20 0-23/2 */2 * fri-sun nobody -n mail -s x ops%Morning%%bye \\% 5",
    b"@reboot memory=512M cpu=50% nice=-5 umask=027 open-files=1024 root x",
    b"@defaults tz=Europe/Berlin overlap=skip retry-until=2h ok=0,1-3 mail=failure log=never",
    b"CRON_TZ=Asia/Tokyo",
    b'MAILTO="ops@example.com"',
    b"'A B' = \"c d\"  ",
    b"SHELL=/bin/bash",
    b"# a comment",
    b"\t  0 0 * * *\troot\tx   \r",
    b"0 0 * * * -- PATH=/bin:$PATH htmldir=$(pwd) make",
]
PIECES = [
    *(
        b" ",
        b"\t",
        b"\n",
        b"\r",
        b"\0",
        b"\x0b",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xc3",
    ),
    *(b"*", b"/", b"-", b",", b"~", b"#", b"%", b"\\", b"=", b'"', b"'", b"@", b"H", b"L", b"W"),
    *(b"0", b"7", b"59", b"61", b"4294967297", b"99999999999999999999", b"sun", b"DEC", b"none"),
    *(b"@daily ", b"@defaults ", b"CRON_TZ=", b"tz=", b"name=a ", b"retry=", b"jitter=5m "),
    *(b"timeout=P1Y ", b"..", b"<", b">", b"!", b"--", b" -n ", "ä€😀".encode()),
]


def tables(count: int, seed: int) -> Iterator[bytes]:
    """So many tables of a line or a few, each with something broken."""
    draw = Random(seed)
    for _ in range(count):
        text = bytearray(b"\n".join(draw.choices(ENTRIES, k=draw.choice((1, 1, 1, 2, 4)))) + b"\n")
        for _ in range(draw.randrange(1, 5)):
            _break(text, draw)
        yield bytes(text)


def _break(text: bytearray, draw: Random) -> None:
    at = draw.randrange(len(text) + 1)
    to = min(len(text), at + draw.randrange(1, 8))
    match draw.randrange(5):
        case 0:
            del text[at:to]
        case 1:
            text[at:at] = draw.choice(PIECES)
        case 2:
            text[at:to] = draw.choice(PIECES)
        case 3:
            text[at:at] = text[at:to] * draw.randrange(1, 4)
        case _:
            text[at:at] = bytes([draw.randrange(256)])
