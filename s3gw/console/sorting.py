"""The order of a folder's list. S3 lists keys from the first to the last, by an index that is read in no other order,
so a folder is sorted otherwise only where all of it is read at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MOST = 1000  # files and folders that are read to be sorted
BY = {
    "name": lambda file: file["file_path"],
    "size": lambda file: file["file_size"],
    "changed": lambda file: file["updated_at"],
}


class Order(NamedTuple):
    by: str
    is_down: bool

    @property
    def told(self) -> str:
        return f"-{self.by}" if self.is_down else self.by

    @property
    def is_natural(self) -> bool:
        """As S3 lists."""
        return self == Order("name", False)

    def sort(self, files: list[dict[str, Any]], folders: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
        is_down_by_name = self.by == "name" and self.is_down
        return sorted(files, key=BY[self.by], reverse=self.is_down), sorted(folders, reverse=is_down_by_name)

    def next_of(self, column: str) -> str:
        """What a click on the head of the column asks for."""
        return Order(column, self.by == column and not self.is_down).told

    def aria(self, column: str) -> str:
        return "none" if self.by != column else "descending" if self.is_down else "ascending"


def order_of(given: str) -> Order:
    by = given.removeprefix("-")
    return Order(by, given.startswith("-")) if by in BY else Order("name", False)
