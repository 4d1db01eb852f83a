"""PostgreSQL and Redis as child processes, from the binaries in their wheels.

For laptops and tests: a cluster runs them as its own services and names them in DATABASE_URL and REDIS_URL. Each engine
listens on loopback only, asks for a generated password and keeps everything in one private directory.
"""

from apps.core.engines.base import Engine, StartError
from apps.core.engines.ports import free_port
from apps.core.engines.postgres import Postgres
from apps.core.engines.redis import Redis

__all__ = ["Engine", "Postgres", "Redis", "StartError", "free_port"]
