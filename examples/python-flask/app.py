"""A small Flask service that keeps its visitors' names in PostgreSQL."""
import os

import psycopg
from flask import Flask, request

app = Flask(__name__)


def connect():
    return psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5)


def prepare(connection):
    # Instances start at the same moment, and CREATE TABLE IF NOT EXISTS is not safe against another one: hence the lock.
    connection.execute("SELECT pg_advisory_xact_lock(8000)")
    connection.execute("CREATE TABLE IF NOT EXISTS visitors (name text PRIMARY KEY, visits int NOT NULL)")
    connection.commit()


def remember(connection, name):
    row = connection.execute(
        "INSERT INTO visitors VALUES (%s, 1) ON CONFLICT (name) DO UPDATE SET visits = visitors.visits + 1 RETURNING visits",
        (name,),
    ).fetchone()
    return row[0]


def greeting(name, visits):
    return f"Hello, {name}! Visit number {visits}.\n"


@app.get("/")
def index():
    name = request.args.get("name", "world")[:100]
    with connect() as connection:
        prepare(connection)
        return greeting(name, remember(connection, name)), {"content-type": "text/plain; charset=utf-8"}


@app.get("/health")
def health():
    with connect() as connection:
        connection.execute("SELECT 1")
    return {"ok": True}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
