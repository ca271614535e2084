"""The files of a form that has several: each is the body of a PutObject, and the next begins when it was read."""

from __future__ import annotations

from s3gw.auth.form_body import FormBody
from s3gw.auth.payload import VerifyingBody
from s3gw.wire.form import Form, FormFile


class FormFiles:
    """`sent` is the body of the request, of which all before the first file was read."""

    def __init__(self, sent: VerifyingBody, form: Form) -> None:
        self._sent, self._form = sent, form

    async def next(self) -> FormFileBody | None:
        """To be read to its end before the next is asked for. None: the closing boundary and all behind it came."""
        while not self._form.begun and not self._sent.has_ended:
            data = await self._sent.read()
            if data:
                self._form.feed(data)
        if not self._form.begun:
            self._form.close()
            return None
        return FormFileBody(self._sent, self._form, self._form.begun.popleft())


class FormFileBody(FormBody):
    """A FormBody that ends where its part does."""

    def __init__(self, sent: VerifyingBody, form: Form, file: FormFile) -> None:
        super().__init__(sent, form)
        self.file = file
        self._take()

    def _parse(self, data: bytes) -> None:
        if data:
            self.form.feed(data)
        if self._sent.has_ended:
            self.form.close()
        self._take()

    def _take(self) -> None:
        self._is_over = self.file.has_ended
        self._file_size += sum(map(len, self.file.content))
        self._content += self.file.content
        self.file.content.clear()
