"""The parser refuses what attacks it; the writer says what XML can say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.errors import MalformedXML
from s3gw.wire import xml

LAUGHS = b"<!DOCTYPE a [<!ENTITY a0 'ha'>%s]><a>&a9;</a>" % b"".join(
    b"<!ENTITY a%d '%s'>" % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10)
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>\x01</a>",
        b"<a>&#1;</a>",
        b"<a>&unknown;</a>",
        b"\xff\xfe",
        LAUGHS,
        LAUGHS.replace(b"<a>&a9;</a>", b"<a b='&a9;'/>"),  # attribute values are expanded whatever the parser is told
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        b"<a>" * 300 + b"</a>" * 300,
    ],
)
def test_hostile_or_broken_documents_are_malformed_xml(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        xml.parse(body)


def test_comments_instructions_and_cdata_do_not_split_text() -> None:
    root = xml.parse(b"<!-- c --><a x:b='1' xmlns:x='urn:x'>on<!-- c --><?pi?>e<![CDATA[<two>]]></a>")
    assert root.text == "one<two>"
    assert xml.attribute(root, "b") == "1"
    assert xml.attribute(root, "c") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_malformed_xml(body: bytes) -> None:
    with contextlib.suppress(MalformedXML):
        xml.parse(b"<a>" + body + b"</a>")


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_escaped_text_is_read_back_or_stands_as_references(text: str) -> None:
    escaped = xml.escape(text)
    carried = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    if carried == text:
        root = xml.parse(f'<a b="{escaped}">{escaped}</a>'.encode())
        assert (root.text or "") == text
    else:
        assert "&#x" in escaped


def test_characters_that_xml_has_no_word_for_are_written_as_references() -> None:
    assert xml.escape('a\x01b&<>"\r😀') == "a&#x1;b&amp;&lt;&gt;&quot;&#xd;😀"


def test_the_error_document_has_no_namespace() -> None:
    document = xml.error_document("NoSuchKey", "No <key>", "id", "host", {"Key": "k&\x01"})
    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>No &lt;key&gt;</Message>'
        b"<Key>k&amp;\xef\xbf\xbd</Key><RequestId>id</RequestId><HostId>host</HostId></Error>"
    )
