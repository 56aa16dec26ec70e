"""Cuts pictures, sound and files within a value to their kind, size and hash. User's thread.

Media are a text that is a data URL; or base64, or bytes, in a member for data (`data`, `bytes`, `b64_json`)
beside one that names a media type or a format (`mime_type`, `format`, `type`), or within one that does; or a
picture's base64 in the list `images`, as Ollama has them, which is known by how it begins. Text is never cut,
however long: neither what stands alone, nor what only looks like base64, nor what a media type calls text.
The same shape stays around what was cut.

Of 5 MB of a picture 128 KiB are looked at: its first and its last 64.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

# What is no larger stays, so that it can be shown: characters of a text, bytes of bytes.
LARGEST_KEPT: Final = 64 * 1024
# Bytes of which so much is written that no event holds them.
_LARGEST_WRITTEN: Final = 8 * 1024 * 1024
# As many values as one that is cut takes time.
COUNTS: Final = 100

# The first and the last 64 KiB, in whole characters of base64.
_ENDS_CHARACTERS: Final = (64 * 1024 + 2) // 3 * 4
_ENDS_BYTES: Final = _ENDS_CHARACTERS // 4 * 3
# So much of a text tells whether it is base64.
_SAMPLE_CHARACTERS: Final = 8 * 1024

_URL: Final = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+(?:=[^;,\s]*)?)*?)(;base64)?,", re.ASCII | re.I
)
_URL_HEAD: Final = 512
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\r\n"

# Names are compared without `_` and in small letters: where one writes `mime_type`, another has `mimeType`.
_DATA: Final = frozenset(
    {
        *("audio", "audiobytes", "audiodata", "base64", "binary", "blob", "b64", "b64json", "bytes", "data"),
        *("file", "filebytes", "filedata", "image", "imagebytes", "imagedata", "partialimageb64"),
        *("video", "videobytes", "videodata"),
    }
)
# These hold much else: what they are is said beside them.
_CONTENT: Final = frozenset({"body", "content", "payload", "raw", "result"})
_DATA_OR_CONTENT: Final = _DATA | _CONTENT
_TYPES: Final = ("mediatype", "mimetype", "contenttype")
_FORMATS: Final = ("format", "outputformat", "audioformat", "imageformat", "fileformat")
_KINDS: Final = {
    "audio": "audio",
    "computerscreenshot": "image",
    "image": "image",
    "imagegenerationcall": "image",
    "inputaudio": "audio",
    "inputimage": "image",
    "inputvideo": "video",
    "outputaudio": "audio",
    "outputimage": "image",
    "video": "video",
}
_BY_FORMAT: Final = {
    form: f"{kind}/{form}"
    for kind, forms in {
        "image": "png jpeg jpg gif webp bmp tiff heic heif avif ico",
        "audio": "wav mp3 flac ogg opus aac m4a pcm pcm16 aiff g711_ulaw g711_alaw",
        "video": "mp4 webm mov mkv mpeg mpg avi wmv 3gp flv",
        "application": "pdf zip doc docx xls xlsx ppt pptx",
    }.items()
    for form in forms.split()
}
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,100}", re.ASCII)
# Of other types the content is text, whatever it looks like.
_IS_MEDIA: Final = re.compile(
    r"(?:audio|font|image|model|video)/.*"
    r"|application/(?:epub\+zip|gzip|msword|octet-stream|ogg|mp4|pdf|zip|vnd\..*(?<!json)(?<!xml)(?<!yaml))"
)
# How pictures begin that nobody says the kind of.
_PICTURE: Final = re.compile(
    rb"(?P<png>\x89PNG)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8)|(?P<webp>RIFF....WEBP)|(?P<bmp>BM....\0{4})"
    rb"|(?P<tiff>II\*\0|MM\0\*)|(?P<avif>....ftypavif)|(?P<heic>....ftyp(?:heic|heix|mif1))",
    re.DOTALL,
)
_TEXT: Final = ""  # what a named type says that is text's


class Members:
    """The members of an object, and where that stands: under which name, among which others."""

    __slots__ = ("_around", "_named", "_pairs")

    def __init__(self, pairs: Iterable[tuple[Any, Any]], around: Place | None) -> None:
        self._pairs = pairs
        self._around = around
        self._named: str | None = _NOT_ASKED

    def kind_of(self, name: str) -> str | None:
        """What the member of this name is, as those beside it say, else the name under which they stand, else
        those beside that. Nothing where they say that it is text.
        """
        kind = self._says()
        if kind is None and self._around is not None and _plain_name(name) not in _CONTENT:
            above, others = self._around
            kind = _KINDS.get(_plain_name(above)) or others._says()
        return kind

    def _says(self) -> str | None:
        """Asked once, however many members there are to ask for."""
        if self._named is _NOT_ASKED:
            self._named = _named_by(self._pairs)
        return self._named


Place = tuple[str, Members]
_NOT_ASKED: Final = "?"
_IMAGES: Final = "images"


def place_of_items(around: Place | None) -> Place | None:
    """Where the items of a list stand, which stands in a member: nowhere, but of one that is named for what
    they are.
    """
    return _IN_IMAGES if around is not None and around[0] == _IMAGES else None


Ask = Callable[[], bool]
_is_kept: Ask = lambda: False  # noqa: E731


def keep_media_if(ask: Ask) -> None:
    """Ask this, where there are media, whether they stay whole."""
    global _is_kept
    _is_kept = ask


def cut_text(text: str) -> str:
    """A long text in, what is recorded of it out: itself, unless it is a data URL. User's thread."""
    found = _URL.match(text, 0, _URL_HEAD) if text[:5].lower() == "data:" else None
    if found is None or not text.isascii():
        return text
    kind, start = (found[1] or "text/plain").lower(), found.end()
    if found[3] is None:
        # Percent-encoded, which text that stands by itself never is.
        if not _IS_MEDIA.fullmatch(kind) or re.search(r"\s", text[start : start + _SAMPLE_CHARACTERS]):
            return text
    elif not _is_base64(text, start):
        return text
    if _is_kept():
        return text
    if found[3] is not None:
        return _marker_of_base64(kind, text, start)
    ends = text[start : start + _ENDS_BYTES], text[start:][-_ENDS_BYTES:]
    return _marker(kind, len(text) - start, *map(str.encode, ends))


def cut_member(place: Place, value: Any) -> Any:
    """A text or bytes, and where they stand, in; what is recorded of them out: themselves, unless they are
    media. Bytes that stay become base64. User's thread.
    """
    name, _ = place
    if type(value) is str:
        if (shorter := cut_text(value)) is not value:
            return shorter
        kind = _kind_of(place, value) if _may_name_data(name) else None
        if not kind or not _is_base64(value, 0) or _is_kept():
            return value
        return _marker_of_base64(kind, value, 0)
    kind = _kind_of(place, value)
    if not kind:
        return value
    if _is_kept() and len(value) > _LARGEST_WRITTEN:
        return value
    if len(value) <= LARGEST_KEPT or _is_kept():
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    return _marker_of_bytes(kind, value)


def may_hold_media(long: Iterable[Any]) -> bool:
    """Containers with much text in; whether there may be media among it, out."""
    for nest in long:
        members = nest.items() if type(nest) is dict else ((None, item) for item in nest)
        for name, item in members:
            if type(item) is str and len(item) > LARGEST_KEPT:
                if item[:5].lower() == "data:":
                    return True
                if (name is None or _may_name_data(name)) and _is_base64(item[:64], 0):
                    return True
    return False


def without_media(nest: Any, around: Place | None = None) -> Any:
    """A plain nest in; itself, or one in which only what holds media is a copy, out."""
    copied: Any = None
    if type(nest) is dict:
        members = Members(nest.items(), around)
        for name, item in nest.items():
            kind = type(item)
            if kind is str:
                if len(item) <= LARGEST_KEPT:
                    continue
                made = cut_member((name, members), item)
            elif kind is dict or kind is list or kind is tuple:
                made = without_media(item, (name, members))
            else:
                continue
            if made is not item:
                copied = copied or dict(nest)
                copied[name] = made
    else:
        place = place_of_items(around)
        for index, item in enumerate(nest):
            kind = type(item)
            if kind is str:
                if len(item) <= LARGEST_KEPT:
                    continue
                made = cut_text(item) if place is None else cut_member(place, item)
            elif kind is dict:
                made = without_media(item, place)
            elif kind is list or kind is tuple:
                made = without_media(item)
            else:
                continue
            if made is not item:
                copied = copied or list(nest)
                copied[index] = made
    return nest if copied is None else copied


# --- what a value is ----------------------------------------------------------------------------------------


def _kind_of(place: Place, value: Any) -> str | None:
    """What a text or bytes are, by what stands around them; in a list of pictures by how they begin."""
    name, members = place
    return _picture(value) if place is _IN_IMAGES else members.kind_of(name)


def _picture(value: Any) -> str | None:
    """Which picture begins like a text of base64, or like bytes."""
    try:
        head = binascii.a2b_base64(value[:16]) if type(value) is str else bytes(value[:12])
    except ValueError:
        return None
    found = _PICTURE.match(head)
    return None if found is None else f"image/{found.lastgroup}"


def _may_name_data(name: str) -> bool:
    return len(name) <= 32 and _plain_name(name) in _DATA_OR_CONTENT


def _named_by(members: Iterable[tuple[Any, Any]]) -> str | None:
    said = {
        _plain_name(name): value.lower()
        for name, value in members
        if type(name) is str and type(value) is str and len(value) <= 256 and len(name) <= 32
    }
    for name in (*_TYPES, "type"):
        kind = said.get(name, "").partition(";")[0].strip()
        if _MEDIA_TYPE.fullmatch(kind):
            return kind if _IS_MEDIA.fullmatch(kind) else _TEXT
    for name in _FORMATS:
        if said.get(name) in _BY_FORMAT:
            return _BY_FORMAT[said[name]]
    what = _plain_name(said.get("type", ""))
    file = said.get("filename") or (said.get("name", "") if what == "file" else "")
    return _BY_FORMAT.get(file.rpartition(".")[2] if "." in file else "") or _KINDS.get(what)


_IN_IMAGES: Final[Place] = ("image", Members((("type", "image"),), None))


def _plain_name(name: str) -> str:
    return name.replace("_", "").lower()


def _is_base64(text: str, start: int) -> bool:
    """Whether a text could be base64 from there on: whether it begins and ends like it."""
    if not text.isascii():
        return False
    head = text[start : start + _SAMPLE_CHARACTERS]
    tail = text[max(start, len(text) - _SAMPLE_CHARACTERS) :]
    return not (head.encode().translate(None, _BASE64) or tail.encode().translate(None, _BASE64))


# --- what is said of it -------------------------------------------------------------------------------------


def _marker_of_base64(kind: str, text: str, start: int) -> str:
    """What is base64 from there on in, what is said of it out."""
    if "\n" in text[start : start + 1024]:
        text, start = "".join(text[start:].split()), 0
    size = len(text) - start - (len(text[-2:]) - len(text[-2:].rstrip("=")))
    last = start + _tail_begins(size)
    ends = text[start : start + _ENDS_CHARACTERS], text[last : start + size]
    return _marker(kind, size * 3 // 4, *(_standard(end).encode() for end in ends))


def _marker_of_bytes(kind: str, value: Any) -> str:
    last = _tail_begins((len(value) * 4 + 2) // 3) // 4 * 3
    ends = value[:_ENDS_BYTES], value[last:]
    return _marker(kind, len(value), *(binascii.b2a_base64(end, newline=False).rstrip(b"=") for end in ends))


def _tail_begins(characters: int) -> int:
    """Where the last 64 KiB begin of so many characters of base64: where four of them begin, which are three
    bytes.
    """
    return max(0, characters - _ENDS_CHARACTERS + 3) // 4 * 4


def _standard(base64: str) -> str:
    """The same in the alphabet that most have."""
    return base64.rstrip("=").replace("-", "+").replace("_", "/")


def _marker(kind: str, size_bytes: int, head: bytes, tail: bytes) -> str:
    """The kind, the size, and a hash of that and of the first and the last 64 KiB: of their base64, since to
    encode what comes as bytes takes a fifth of what decoding the others would.
    """
    import hashlib  # takes as long to load as a tenth of our own import

    digest = hashlib.sha256(b"%d " % size_bytes + head + tail).hexdigest()
    return f"[{kind}, {size_bytes:,} bytes, sha256:{digest[:16]}…]"
