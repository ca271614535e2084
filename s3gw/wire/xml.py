"""XML, and the only user of lxml: a parser for hostile documents, and escaping for those that we write.

Documents are written as text: a tree for a page of 1 000 keys would cost ten times as much. Nothing here knows a shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from s3gw.errors import MalformedXML

Element = etree._Element

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# XML 1.0 can't carry most control characters at all; AWS writes references to them, and so do we: nothing better can be
# said, and clients that want to read such keys ask for encoding-type=url. A raw CR would be read as LF.
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_PLAIN = re.compile("[^ !#-%'-;=?-~]")  # most text has nothing else, and a set of ASCII is searched fastest
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """For element text and attribute values in double quotes."""
    return _SPECIAL.sub(_reference, text) if _NOT_PLAIN.search(text) else text


def can_carry(text: str) -> bool:
    """Whether the text can be said in XML 1.0 at all."""
    return _NOT_IN_XML.search(text) is None


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def parse(body: bytes) -> Element:
    """The root element. MalformedXML for what isn't well-formed, has a DOCTYPE or nests deeper than 256."""
    # Parsers aren't shared: one that has met an error keeps its log, and threads would wait for each other.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise MalformedXML from None
    # Asked afterwards, because text search misses other encodings; until here no entity has been expanded.
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedXML
    return root


def local_name(element: Element) -> str:
    """Requests come with S3's namespace, with none, and from some clients with an older one."""
    tag = element.tag
    if not isinstance(tag, str):  # an entity that wasn't resolved
        raise MalformedXML
    return tag.rpartition("}")[2]


def attribute(element: Element, local: str) -> str | None:
    for name, value in element.attrib.items():
        if str(name).rpartition("}")[2] == local:
            return str(value)
    return None


def error_document(
    code: str, message: str, request_id: str, host_id: str, details: Mapping[str, str] | None = None
) -> bytes:
    """AWS's error document, which has no namespace. `details` stand between Message and RequestId, as on AWS.

    The documented Resource isn't there: S3's servers write none.

    What XML can't carry becomes U+FFFD: an error that no parser takes tells nothing, and nobody reads keys from errors.
    """
    fields = {"Code": code, "Message": message, **(details or {}), "RequestId": request_id, "HostId": host_id}
    texts = {name: _NOT_IN_XML.sub("\ufffd", text) for name, text in fields.items()}
    content = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())
    return f"{DECLARATION}<Error>{content}</Error>".encode()
