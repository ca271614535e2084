"""Forms, whole and byte by byte: which part is what, what is malformed, and what is too much."""

from __future__ import annotations

import pytest

from s3gw.errors import InvalidArgument, MalformedPOSTRequest, MaxPostPreDataLengthExceeded
from s3gw.wire.form import MOST_BEFORE_FILE, Form

TYPE = "multipart/form-data; boundary=bound"


def part(name: str, value: bytes | str = b"", more: str = "", headers: str = "") -> bytes:
    content = value.encode() if isinstance(value, str) else value
    head = f'--bound\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    return head.encode() + content + b"\r\n"


END = b"--bound--\r\n"


def read(body: bytes, step: int = 0, content_type: str = TYPE) -> tuple[dict[str, str], str | None, bytes]:
    """Fields, file name and content of a form that is fed in pieces of `step` bytes (0: whole)."""
    form = Form(content_type)
    content = b""
    for start in range(0, len(body), step or len(body) or 1):
        form.feed(body[start : start + step] if step else body)
        content += b"".join(form.take_content())
    form.close()
    return dict(form.fields), form.filename, content


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 64])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\r\n",
        b"\r\n--boun",
        b"\r\n--boundx",
        b"--bound--",
        b"a\r\n-\r\n--bou\r\nb",
        b"x" * 300,
    ],
)
def test_a_file_is_all_bytes_up_to_the_boundary(step: int, content: bytes) -> None:
    body = part("key", "a/b ü") + part("file", content, '; filename="n.txt"', "Content-Type: text/plain\r\n") + END
    assert read(body, step) == ({"key": "a/b ü"}, "n.txt", content)


def test_the_name_alone_tells_the_file_from_the_fields() -> None:
    body = part("key", "k", '; filename="key"') + part("FILE", "content") + END
    assert read(body) == ({"key": "k"}, None, b"content")


@pytest.mark.parametrize("step", [0, 1])
def test_what_comes_behind_the_file_is_ignored(step: int) -> None:
    behind = part("acl", "public-read") + part("", "x" * 30_000) + END + b"epilogue" * 10
    assert read(part("key", "k") + part("file", "content") + behind, step) == ({"key": "k"}, None, b"content")


def test_a_second_file_is_one_too_many() -> None:
    body = part("file", "a") + part("file", "b") + END
    with pytest.raises(InvalidArgument, match="POST requires exactly one file upload per request"):
        read(body)


def test_a_form_without_a_file_has_its_fields() -> None:
    assert read(part("key", "k") + part("acl", "") + END) == ({"key": "k", "acl": ""}, None, b"")
    assert read(END) == ({}, None, b"")


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        ('; filename=""', ""),
        ("", None),
        ('; filename="a\\"b"', 'a"b'),
        ("; filename=plain.txt", "plain.txt"),
        ("; filename*=UTF-8''other", None),
        ('; filename="日本.txt"', "日本.txt"),
        ('; FileName="x;y=z"', "x;y=z"),
    ],
)
def test_a_filename_is_read_as_browsers_write_it(sent: str, filename: str | None) -> None:
    assert read(part("file", "x", sent) + END)[1] == filename


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--other\r\n\r\n--other--",
        b"--bound",
        b"--bound\r\n",
        part("key", "k"),
        part("file", "x"),
        part("file", "x") + b"--bound-",
        b"--bound\r\n\r\nno headers\r\n" + END,
        b"--bound\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,
        b'--bound\r\nContent-Disposition: file; name="file"\r\n\r\nx\r\n' + END,
        b"--bound\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
        b'--bound\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n'
        + END,
        b'--bound\r\nContent Disposition: form-data; name="a"\r\n\r\nx\r\n' + END,
        b'--bound\nContent-Disposition: form-data; name="a"\n\nx\n--bound--\n',
        part("key", b"\xff"),
        b'--bound\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n' + END,
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_no_form_is_malformed(body: bytes, step: int) -> None:
    with pytest.raises(MalformedPOSTRequest):
        read(body, step)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", 'x; boundary=""'])
def test_a_form_has_a_boundary(content_type: str) -> None:
    with pytest.raises(MalformedPOSTRequest):
        Form(content_type)


def test_a_boundary_has_70_characters_at_most_and_may_be_quoted() -> None:
    for length, is_valid in ((70, True), (71, False)):
        content_type = f'Multipart/Form-Data; charset=utf-8; Boundary="{"b" * length}"'
        body = b'--%s\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--%s--' % ((b"b" * length,) * 2)
        if is_valid:
            assert read(body, 0, content_type)[2] == b"x"
        else:
            with pytest.raises(MalformedPOSTRequest):
                Form(content_type)


@pytest.mark.parametrize("step", [0, 1000])
def test_20_kib_may_come_before_the_file_and_no_byte_more(step: int) -> None:
    file_head = part("file").removesuffix(b"\r\n")
    field = MOST_BEFORE_FILE - len(part("key")) - len(file_head)
    assert read(part("key", "k" * field) + file_head + b"x" * 50_000 + b"\r\n" + END, step)[2] == b"x" * 50_000
    with pytest.raises(MaxPostPreDataLengthExceeded) as refused:
        read(part("key", "k" * (field + 1)) + file_head + b"x" * 50_000 + b"\r\n" + END, step)
    assert refused.value.details == {"MaxPostPreDataLengthBytes": "20480"}


def test_a_form_has_200_fields_before_its_file_and_behind_it_at_most() -> None:
    fields = [part(f"a{number}") for number in range(201)]
    file = part("file", "x")
    assert len(read(b"".join(fields[:200]) + file + b"".join(fields[:200]) + END)[0]) == 200
    for body in (b"".join(fields) + file, file + b"".join(fields)):
        with pytest.raises(MalformedPOSTRequest):
            read(body + END)


def test_a_part_has_8_headers_of_4096_bytes_at_most() -> None:
    def with_headers(count: int, length: int) -> bytes:
        headers = "".join(f"{f'x-{number}: '.ljust(length, 'v')}\r\n" for number in range(count))
        return part("file", "x", headers=headers) + END

    assert read(with_headers(7, 100))[2] == b"x"
    assert read(with_headers(1, 4096))[2] == b"x"
    for body in (with_headers(8, 100), with_headers(1, 4097)):
        with pytest.raises(MalformedPOSTRequest):
            read(body)
