#!/usr/bin/env bash
# Executes the session that README.md or another document shows, so that it cannot rot.
#
# Blocks fenced as ```sh session are taken in order and run line by line in one shell, in a temporary folder:
#   command                runs; must exit 0
#   command &              runs in the background until the end of the session, then gets SIGINT and must exit 0;
#                          so does every command of a block fenced as ```sh session background (a reader's first terminal)
#   #=> words              the output of the command above must contain these words (… stands for anything);
#                          for a background command: waits until they appear
#   #=> exit N             the command above must exit with N
#   # other comment        is for people
# A line that ends in \ goes on in the next one. `cargo run --release --` and `target/release/` mean the release build
# that stands in the target folder already; other lines run as they are.
#
#   tests/readme-session.sh [FILE]      FILE is README.md by default
#
# With SESSION_PROGRAMS=FOLDER the program of that folder is used instead, and a demo listens on free ports, so that several
# sessions may run at the same time: such a document reads the addresses from demo.json.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
readme=${1:-$root/README.md}
case $readme in /*) ;; *) readme=$PWD/$readme ;; esac
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
readonly WAIT_S_MAX=60      # a demo on a busy machine makes keys and a first zone well within this
readonly STOP_S_MAX=20      # longer than the server's drain
readonly SESSION_S_MAX=600  # a command that hangs must not hang the checks

# `timeout` ends the whole process group, a hanging foreground command too.
if [ -z "${SESSION_IS_TIMED:-}" ]; then
    export SESSION_IS_TIMED=yes
    exec timeout --kill-after=10 $SESSION_S_MAX "$0" "$@"
fi

scratch=$(mktemp -d)
pids=() names=() outputs=()
runs=0 checks=0

fail() {
    echo "The session of ${readme##*/} failed at line $line_number: $command" >&2
    echo "  $1" >&2
    [ -z "${output:-}" ] || sed 's/^/  | /' "$output" | tail -n 40 >&2
    exit 1
}

stop_background() {
    local pid
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$scratch"
}
trap stop_background EXIT
trap 'exit 130' INT TERM

# Whether the words stand in the file in this order; every … may be anything.
contains() {
    local pattern=$2 part
    pattern=${pattern//…/$'\n'}
    tr -s '[:space:]' ' ' <"$1" | {
        IFS= read -r -d '' text
        while IFS= read -r part; do
            part=$(tr -s '[:space:]' ' ' <<<"$part" | sed 's/^ //; s/ $//')
            case $text in
                *"$part"*) text=${text#*"$part"} ;;
                *) exit 1 ;;
            esac
        done <<<"$pattern"
    }
}

run_background() {
    output=$scratch/output.$runs
    : >"$output"
    (cd "$PWD" && eval "exec ${1%&}") >"$output" 2>&1 </dev/null &
    pids+=($!) names+=("$1") outputs+=("$output")
    last_is_background=yes
}

# In this shell, so that `cd` and variables stay.
run_foreground() {
    output=$scratch/output.$runs
    last_is_background=no
    eval "$1" >"$output" 2>&1 </dev/null
    exit_code=$?
}

expect_words() {
    checks=$((checks + 1))
    if [ $last_is_background = yes ]; then
        local deadline=$((SECONDS + WAIT_S_MAX))
        until contains "$output" "$1"; do
            kill -0 "${pids[-1]}" 2>/dev/null || fail "ended before it said: $1"
            [ $SECONDS -lt $deadline ] || fail "did not say within $WAIT_S_MAX s: $1"
            sleep 0.1
        done
    else
        contains "$output" "$1" || fail "did not say: $1"
    fi
}

# A command's exit code is judged when the next command begins, for `#=> exit N` may follow.
settle() {
    [ $runs = 0 ] || [ $last_is_background = yes ] || [ "$exit_code" = "$wanted_code" ] ||
        fail "exit code $exit_code, not $wanted_code"
}

mkdir "$scratch/session"
cd "$scratch/session" || exit 1
if [ -n "${SESSION_PROGRAMS:-}" ]; then
    export PATH=$SESSION_PROGRAMS:$PATH
else
    ln -s "$target" target
    export PATH=$target/release:$PATH
fi

session=$scratch/lines
awk '/^```sh session( background)? *$/ { on = 1; tail = /background/ ? " &" : ""; next }
    /^```/ { on = 0 }
    on { print NR "\t" $0 ($0 ~ /^#|^ *$|\\$/ ? "" : tail) }' "$readme" >"$session"
if [ ! -s "$session" ]; then
    echo "$readme shows no \`\`\`sh session block" >&2
    exit 1
fi

line_number=0 command= output= exit_code=0 wanted_code=0 last_is_background=no continued=
while IFS=$'\t' read -r -u 9 number line; do
    line=$continued$line
    continued=
    case $line in
        *\\) continued=${line%\\}; continue ;;
        '' | '# '*) continue ;;
        '#=> exit '*) wanted_code=${line#'#=> exit '}; checks=$((checks + 1)); continue ;;
        '#=> '*) expect_words "${line#'#=> '}"; continue ;;
    esac
    settle
    command=$line line_number=$number wanted_code=0
    runs=$((runs + 1))
    echo "  $line"
    line=${line//cargo run --release -- /callbook }
    [ -z "${SESSION_PROGRAMS:-}" ] || line=${line/#callbook demo/callbook demo --dns 127.0.0.1:0 --http 127.0.0.1:0}
    case $line in
        *'&') run_background "$line" ;;
        *) run_foreground "$line" ;;
    esac
done 9<"$session"
settle

# What runs in the background must end cleanly when it is asked to.
for i in "${!pids[@]}"; do
    command=${names[$i]} output=${outputs[$i]}
    kill -INT "${pids[$i]}" 2>/dev/null || fail "ended by itself"
    deadline=$((SECONDS + STOP_S_MAX))
    while kill -0 "${pids[$i]}" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || fail "did not stop within $STOP_S_MAX s"
        sleep 0.1
    done
    wait "${pids[$i]}"
    code=$?
    [ $code = 0 ] || fail "stopped with exit code $code"
done
pids=()
[ $checks -gt 0 ] || { echo "the session checks nothing: add #=> lines" >&2; exit 1; }
echo "${readme##*/}: $runs commands, $checks checks, all as shown"
