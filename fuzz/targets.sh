# Sourced by fuzz/run and, from the folder fuzz, by tests/run: builds the targets and runs one. Needs tests/tools.sh.

fuzz_target_dir=$CARGO_TARGET_DIR/fuzz

# The names of the targets, one a line.
targets() {
    sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2
}

# plants TARGETS: target and name of each fault that can be planted in them.
plants() {
    awk -v wanted="$1" '
        BEGIN { split(wanted, names, "\n"); for (i in names) is_wanted[names[i]] = 1 }
        /^    "[a-z_]+" \{$/ { gsub(/[" {]/, ""); target = $0 }
        /^        [A-Z][A-Za-z0-9]+ = "/ && is_wanted[target] { split($0, parts, "\""); print target, parts[2] }
    ' src/plant.rs
}

# build_targets TARGETS: instruments and builds every target, and with the address sanitizer the one of these that needs it. The stable compiler can do it if it is told that it may.
build_targets() {
    need c++ g++
    cargo_tool fuzz
    host=$(rustc -vV | sed -n 's/^host: //p')
    # Safe code gains nothing from the address sanitizer, and runs several times as fast without.
    export fuzz_bin=$fuzz_target_dir/$host/release asan_bin=
    build_with none
    [[ " ${*//$'\n'/ } " != *" $unsafe_target "* ]] || {
        # Not every build of Rust brings its runtime.
        compgen -G "$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc*rt.asan.a" >/dev/null ||
            skip "this Rust has no address sanitizer for $host, which $unsafe_target is for"
        build_with address "$unsafe_target"
        asan_bin=$fuzz_target_dir/asan/$host/release
    }
}

# The one with unsafe code in it.
export unsafe_target=c_abi

# build_with SANITIZER [TARGET]
#
# Comparisons are not traced: there are seeds and a dictionary, and so each target executes 1.7 to 1.9 times as much in the
# same minute and reaches as many edges, within a hundredth, or more.
build_with() {
    local folder=$fuzz_target_dir
    [ "$1" = none ] || folder+=/asan
    RUSTC_BOOTSTRAP=1 cargo fuzz build --sanitizer "$1" --no-trace-compares --features libfuzzer --target-dir "$folder" "${@:2}" ||
        fail "the fuzz targets do not build"
}

# fuzz_one TARGET [PLANT]: for $seconds, its log into $logs; notes a crash there.
fuzz_one() {
    local target=$1 plant=${2-} log=$logs/$1${2:+-$2} corpus=corpus/$1 artifacts=artifacts/$1/
    if [ -n "$plant" ]; then
        corpus=$logs/$target-$plant-corpus artifacts=$logs/$target-$plant-
    fi
    local bin=$fuzz_bin
    [ "$target" != "$unsafe_target" ] || bin=$asan_bin
    mkdir -p "$corpus" "artifacts/$target"
    IOTHUB_FUZZ_PLANT=$plant RUST_BACKTRACE=0 "$bin/$target" "$corpus" "seeds/$target" "regressions/$target" \
        -dict=iothub.dict -artifact_prefix="$artifacts" -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=1024 \
        -print_final_stats=0 >"$log" 2>&1 || touch "$log.crashed"
}
