"""Cutting the connections of one test: other tests share its Redis server, in databases of their own."""

from redis import Redis

__all__ = ["clients_of_our_database", "cut_connections"]


def clients_of_our_database(connection: Redis) -> list[dict[str, str]]:
    """Return what Redis tells of the other connections to the database that ``connection`` uses."""
    database, own = str(connection.get_connection_kwargs()["db"]), str(connection.client_id())
    return [one for one in connection.client_list() if one["db"] == database and one["id"] != own]


def cut_connections(connection: Redis) -> None:
    """Let Redis close all of them."""
    for client in clients_of_our_database(connection):
        connection.client_kill_filter(_id=client["id"])
