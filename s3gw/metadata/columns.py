"""What the tables' files have in common: their MetaData, and the types of columns that differ between databases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives AUTOINCREMENT to INTEGER only.
Identifier = BigInteger().with_variant(Integer, "sqlite")
# S3 lists keys in the order of their UTF-8 bytes; SQLite's BINARY does so by default.
BytewiseText = Text().with_variant(Text(collation="C"), "postgresql")


def partial_index(name: str, *columns: Column[object], where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
