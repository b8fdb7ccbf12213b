# Sourced by tests/run and by the scripts of its sections: how to get at what a machine may lack.
#
# What is needed is installed by package name if we are root. Otherwise the section is skipped, loudly: `skip` ends it
# with status 77, and tests/run counts that as a failure when CI is set, where nothing may go unchecked.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
case $CARGO_TARGET_DIR in /*) ;; *) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;; esac
if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH=$HOME/.cargo/bin:$PATH; fi

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

skip() {
    printf 'SKIPPED: %s\n' "$*" >&2
    exit 77
}

# install_packages PACKAGE…: by apt, or skip. Nothing is ever removed to make room for them.
install_packages() {
    command -v apt-get >/dev/null || skip "no apt-get here: install what Debian calls $*"
    [ "$(id -u)" = 0 ] || skip "not root: run 'apt-get install $*' first"
    mkdir -p "$CARGO_TARGET_DIR"
    echo "installing: $*"
    local apt=(apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive
    { "${apt[@]}" update || true; "${apt[@]}" install -y --no-install-recommends --no-remove "$@"; } \
        </dev/null >"$CARGO_TARGET_DIR/apt.log" 2>&1 || {
        tail -n 15 "$CARGO_TARGET_DIR/apt.log" >&2
        skip "apt-get could not install: $*"
    }
}

# need COMMAND PACKAGE…: the packages that bring the command, unless it is there.
need() {
    command -v "$1" >/dev/null || install_packages "${@:2}"
    command -v "$1" >/dev/null || skip "no command $1, though these are installed: ${*:2}"
}

# python_environment FOLDER REQUIREMENT…: a virtual environment with these packages in it, kept from run to run.
python_environment() {
    local folder=$1
    shift
    if ! "$folder/bin/python" -c '' 2>/dev/null; then
        rm -rf "$folder"
        python3 -m venv "$folder" >/dev/null || { install_packages python3-venv; python3 -m venv "$folder"; }
    fi
    [ $# = 0 ] || "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# cargo_tool NAME: cargo's subcommand of that name, built by cargo if it is not there.
cargo_tool() {
    PATH=$PATH:$CARGO_TARGET_DIR/tools/bin
    command -v "cargo-$1" >/dev/null || cargo install --locked --quiet --root "$CARGO_TARGET_DIR/tools" "cargo-$1"
}

# bare_metal_cargo TARGET CRATES COMMAND ARGUMENT…: runs `cargo COMMAND --target TARGET ARGUMENT…` with whichever
# toolchain can: the present one if it has the target, or else its standard library's source; or Debian's, which has that
# source and is installed if missing. CRATES are the parts of the standard library to build then: core, or core,alloc.
# TARGET can be a file that `without_frame_pointers` made.
bare_metal_cargo() {
    local target=$1 crates=$2 command=$3
    shift 3
    local toolchain=() build_std=()
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
        find_source "$target"
        build_std=("-Zbuild-std=$crates")
        [[ $target != *.json ]] || build_std+=(-Zjson-target-spec)
        export RUSTC_BOOTSTRAP=1
    fi
    "${toolchain[@]}" cargo "$command" --target "$target" --target-dir "$CARGO_TARGET_DIR/bare-metal" "${build_std[@]}" "$@"
}

# without_frame_pointers TARGET FILE: describes TARGET in FILE, less the frame pointers that rustc has on ARM in any case.
without_frame_pointers() {
    local toolchain=()
    find_source "$1"
    RUSTC_BOOTSTRAP=1 "${toolchain[@]}" rustc -Zunstable-options --print target-spec-json --target "$1" |
        sed 's/"frame-pointer": "always"/"frame-pointer": "may-omit"/' >"$2"
    grep -q may-omit "$2" || fail "rustc describes $1 in other words than before"
}

# forbidden_in IMAGE: what no firmware may have in it: formatting, 64-bit division, a panic.
forbidden_in() {
    arm-none-eabi-nm -C "$1" | grep -E 'core::fmt|__aeabi_u?ldivmod|__u?(div|mod|divmod)di[34]|panic_is_reachable' || true
}

# find_source TARGET: sets `toolchain` to what runs a toolchain with its standard library's source: nothing for the present
# one, or else Debian's.
find_source() {
    local source=lib/rustlib/src/rust/library/core/Cargo.toml
    [ ! -f "$(rustc --print sysroot)/$source" ] || return 0
    if [ ! -f "/usr/$source" ] || [ ! -x /usr/bin/cargo ]; then
        echo "this Rust does not build for $1: 'rustup component add rust-src' is one way, Debian's Rust another"
        install_packages rustc-web cargo-web rust-web-src
    fi
    toolchain=(env -u RUSTC -u RUSTUP_TOOLCHAIN PATH=/usr/bin:/bin)
}
