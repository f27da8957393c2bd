# A PostgreSQL of our own for the tests (sourced after _setup.sh): temporary folder, own socket, free port, no fsync.
#
#   postgres_start    exports XIUHUA_DATABASE_URL; returns 1 when no server is to be had
#   postgres_stop     stops it and removes its folder; safe to call twice

PG_DIR=""

postgres_bin() {
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin; do
        [ -x "$folder/initdb" ] && found=$folder
    done
    if [ -z "${found:-}" ] && command -v initdb >/dev/null 2>&1; then
        found=$(dirname "$(command -v initdb)")
    fi
    [ -n "${found:-}" ] && echo "$found"
}

# The server refuses to run as root, so root lends it the user `postgres` (or `nobody`).
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        user=$(id -un postgres 2>/dev/null || echo nobody)
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    else
        "$@"
    fi
}

postgres_start() {
    PG_BIN=$(postgres_bin) || { apt_install postgresql && PG_BIN=$(postgres_bin); } || return 1
    PG_DIR=$(mktemp -d "${TMPDIR:-/tmp}/xiuhua-pg.XXXXXX")
    chmod 700 "$PG_DIR"
    [ "$(id -u)" = 0 ] && chown "$(id -un postgres 2>/dev/null || echo nobody)" "$PG_DIR"
    port=$("$PY" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    (
        cd "$PG_DIR"
        as_postgres env LC_ALL=C "$PG_BIN/initdb" -D "$PG_DIR/data" -U xiuhua -A trust -E UTF8 --no-sync >"$PG_DIR/initdb.log" &&
            as_postgres "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -w -t 60 -l "$PG_DIR/log" -o \
                "-p $port -k $PG_DIR -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off \
                 -c full_page_writes=off -c max_connections=200 -c shared_buffers=256MB" start >/dev/null
    ) || {
        cat "$PG_DIR/log" "$PG_DIR/initdb.log" >&2 2>/dev/null || true
        return 1
    }
    export XIUHUA_DATABASE_URL="postgresql://xiuhua@127.0.0.1:$port/postgres"
}

postgres_stop() {
    [ -n "$PG_DIR" ] || return 0
    (cd / && as_postgres "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -m immediate -w stop >/dev/null 2>&1) || true
    rm -rf "$PG_DIR"
    PG_DIR=""
}
