# Functions of the build scripts; to be sourced. They promise: nothing is installed globally except system packages,
# and those only by root, on a system with apt, where the tool is absent. Everything else lies below the target folder.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TARGET="${CARGO_TARGET_DIR:-$ROOT/target}"
case "$TARGET" in /*) ;; *) TARGET="$ROOT/$TARGET" ;; esac
# Without links: wizer, inside componentize-js, opens nothing through a link that leaves the current folder.
mkdir -p "$TARGET"
TARGET="$(cd "$TARGET" && pwd -P)"

# Something that others offer (a registry, a system package) cannot be had: what needs it is skipped, nothing is broken.
CANNOT_HAVE=75

# The sentence also goes to the file SKIPPED_FILE, if the caller wants to keep it for the tests.
cannot_have() {
    echo "skipped: $*" | tee "${SKIPPED_FILE:-/dev/null}" >&2
    exit "$CANNOT_HAVE"
}

# Installs system packages if that is possible; the caller looks whether the tool is there now.
system_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $* by apt-get" >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2 || true
    fi
}

# The digest of files, by path (from the root) and content: 16 hex digits.
digest_of() {
    (cd "$ROOT" && printf '%s\n' "$@" | LC_ALL=C sort -u | xargs -d '\n' sha256sum | sha256sum | cut -c1-16)
}

# make_venv FOLDER REQUIREMENTS: a Python environment with exactly these packages; made again when they change.
make_venv() {
    local folder="$1" requirements="$2"
    if [ -x "$folder/bin/python" ] && cmp -s "$requirements" "$folder/requirements.installed"; then
        return
    fi
    command -v python3 >/dev/null || system_packages python3 python3-venv
    command -v python3 >/dev/null || cannot_have "there is no python3 here: install python3 and python3-venv"
    rm -rf "$folder"
    if ! python3 -m venv "$folder" >/dev/null 2>&1; then
        system_packages python3-venv
        rm -rf "$folder"
        python3 -m venv "$folder" >&2 || cannot_have "python3 cannot make environments here: install python3-venv"
    fi
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2 \
        || cannot_have "pip cannot install what $requirements names (see above): is the package index reachable?"
    cp "$requirements" "$folder/requirements.installed"
}

# make_node_modules FOLDER PACKAGE_FOLDER: the packages of a lock file below FOLDER/node_modules.
make_node_modules() {
    local folder="$1" from="$2"
    if [ -d "$folder/node_modules" ] && cmp -s "$from/package-lock.json" "$folder/lock.installed"; then
        return
    fi
    { command -v node && command -v npm; } >/dev/null || system_packages nodejs npm
    { command -v node && command -v npm; } >/dev/null || cannot_have "there is no node or npm here: install Node 20 or newer"
    local major
    major="$(node -p 'process.versions.node.split(".")[0]')"
    [ "$major" -ge 20 ] || cannot_have "node here is $(node --version): componentize-js needs Node 20 or newer"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$from/package.json" "$from/package-lock.json" "$folder/"
    if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
        npm ping >/dev/null 2>&1 || cannot_have "npm cannot reach its registry"
        echo "npm cannot install what $from/package-lock.json names, although its registry answers" >&2
        exit 1
    fi
    cp "$from/package-lock.json" "$folder/lock.installed"
}

# componentize_js FOLDER MODULE OUT: a component of the scripts of FOLDER and the SDK, whose main one is MODULE.js. They
# come together in one folder, since the build follows relative imports only.
componentize_js() {
    local folder="$1" module="$2" out work="$TARGET/components/making/$2-javascript"
    out="$(realpath -m "$3")"
    make_node_modules "$TARGET/tools/componentize-js" "$ROOT/examples/hello-javascript"
    rm -rf "$work"
    mkdir -p "$work" "$(dirname "$out")"
    cp "$folder"/*.js "$ROOT"/sdk/javascript/*.js "$work/"
    (cd "$work" && "$TARGET/tools/componentize-js/node_modules/.bin/componentize-js" -w "$ROOT/wit" -n pipeline-plugin \
        -o "$out" "$module.js" >&2)
}

# componentize_py FOLDER MODULE WORLD OUT: the same of Python. From a copy, since Python writes its compiled modules
# beside the sources.
componentize_py() {
    local folder="$1" module="$2" world="$3" out work="$TARGET/components/making/$2-python"
    out="$(realpath -m "$4")"
    make_venv "$TARGET/tools/componentize-py" "$ROOT/examples/hello-python/requirements.txt"
    rm -rf "$work"
    mkdir -p "$work" "$(dirname "$out")"
    cp "$folder"/*.py "$ROOT"/sdk/python/*.py "$work/"
    "$TARGET/tools/componentize-py/bin/componentize-py" --quiet -d "$ROOT/wit" -w "$world" \
        componentize -p "$work" -o "$out" "$module"
}
