#!/bin/sh
# Installs Xiuhua from this archive alone; no network is used.
#
#   ./install.sh FOLDER      e.g. /opt/xiuhua; over an older version the data in FOLDER/var stay
#
# Afterwards: FOLDER/bin/xiuhua. Each version has its own environment; FOLDER/venv points to the newest, by one rename.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
case "${1:-}" in
"" | -h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

wanted=$(cat "$HERE/PYTHON")
python=""
for candidate in "python$wanted" python3; do
    if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$wanted" ]; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || die "this archive was made for Python $wanted, which was not found; nothing was installed"
(cd "$HERE" && sha256sum --quiet --strict --check SHA256SUMS) || die "the archive is damaged; nothing was installed"

mkdir -p "$1"
target=$(cd "$1" && pwd)
number=$(sha256sum "$HERE/SHA256SUMS" | cut -c 1-12)
environment=$target/venv-$number
export UV_OFFLINE=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_NO_PROGRESS=1
unset VIRTUAL_ENV UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS || true
if [ ! -f "$environment/complete" ]; then
    rm -rf "$environment"
    "$HERE/bin/uv" venv --quiet --python "$python" "$environment"
    "$HERE/bin/uv" pip install --quiet --python "$environment/bin/python" --no-index --find-links "$HERE/wheels" \
        --no-deps --require-hashes --requirement "$HERE/requirements.txt"
    "$HERE/bin/uv" pip install --quiet --python "$environment/bin/python" --no-index --no-deps "$HERE"/wheels/xiuhua-*.whl
    "$environment/bin/python" -m xiuhua.messages compile >/dev/null
    "$environment/bin/python" -m compileall -q "$environment/lib" || true
    : >"$environment/complete"
fi
ln -sfn "venv-$number" "$target/.venv-new"
mv -T "$target/.venv-new" "$target/venv"

mkdir -p "$target/bin"
rm -rf "$target/docs" "$target/deploy"
cp -R "$HERE/docs" "$HERE/deploy" "$target/"
cat >"$target/bin/.xiuhua-new" <<'END'
#!/bin/sh
# The command line of Xiuhua. Data lie in var beside this folder unless XIUHUA_DATA_DIR says otherwise.
HERE=$(cd "$(dirname "$0")/.." && pwd)
export XIUHUA_DATA_DIR="${XIUHUA_DATA_DIR:-$HERE/var}"
exec "$HERE/venv/bin/python" -m xiuhua.cli "$@"
END
chmod 755 "$target/bin/.xiuhua-new"
mv "$target/bin/.xiuhua-new" "$target/bin/xiuhua"
printf 'installed. Start: %s run\n' "$target/bin/xiuhua"
