"""The only room with SQL. What SQLite and PostgreSQL do differently stays in database, sqlite* and postgresql."""
