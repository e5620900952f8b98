#!/usr/bin/env bash
# A door that asks for a code and a voice, with a simulated relay.
#
#   examples/door.sh                 a demonstration: bundled clips, a folder of its own, no microphone, half a minute
#   examples/door.sh listen Ada      the real thing: a code from the keyboard, then the microphone
#
# What it is there to show: the door opens for the exit code 0 and for nothing else, whatever else happens. The code is
# the factor that counts: a voice can be recorded and imitated, and at this profile three strangers in a thousand pass.
# A voice beside the code keeps out whoever has only watched somebody type it. It is no reason to leave the code out.
#
# Set RELAY to a command that gets `open` or `shut` to move a real one, for instance a script around `gpioset`.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clips=$here/../edge/demo/assets
code_file=${CODE_FILE:-}

if [ -n "${EARMARK:-}" ]; then read -ra earmark <<<"$EARMARK"
elif command -v earmark >/dev/null; then earmark=(earmark)
elif [ -x "$here/../.venv/bin/earmark" ]; then earmark=("$here/../.venv/bin/earmark")
else echo "There is no earmark on the PATH. Run \`make demo\` first, or set EARMARK to the command." >&2; exit 5
fi

relay() { # open | shut
    if [ -n "${RELAY:-}" ]; then "$RELAY" "$1"; else echo "    [relay] $1"; fi
}

# Compares digests, so that neither length nor place of a mistake shows in the time it takes. Without a code in the file,
# none is right: not even the empty one.
code_is_right() { # CODE
    local code
    code=$(head -n1 "$code_file") && [ -n "$code" ] &&
        [ "$(printf %s "$1" | sha256sum)" = "$(printf %s "$code" | sha256sum)" ]
}

# The whole decision. Everything that is not a plain yes leaves the door shut: no, not sure, silence, lock-out, a
# recording that was heard before, no microphone, a full disk, a crash.
ask() { # CODE PERSON [RECORDING]
    local code=$1 answer
    shift
    if ! code_is_right "$code"; then
        echo "    wrong code; nobody is listened to"
        return 1
    fi
    "${earmark[@]}" verify "$@" --quiet 2>&1 | sed 's/^/    /'
    answer=${PIPESTATUS[0]}
    if [ "$answer" = 0 ]; then
        relay open
        sleep "${OPEN_SECONDS:-3}"
        relay shut
    else
        echo "    the door stays shut (exit code $answer)"
    fi
    return "$answer"
}

demonstration() {
    place=$(mktemp -d) || exit 5
    trap 'rm -rf "$place"' EXIT
    export EARMARK_STATE=$place/state OPEN_SECONDS=0
    code_file=$place/code
    (umask 077 && echo 4711 >"$code_file" && echo "rain on tin" >"$place/pin")

    echo "Ada is enrolled from five clips, and a PIN is set for when the voice is locked out."
    "${earmark[@]}" enroll Ada "$clips"/ada-enrol-*.ogg --quiet >/dev/null || exit 5
    "${earmark[@]}" unlock --set-pin --pin-file "$place/pin" --quiet >/dev/null || exit 5

    step() { echo; echo "$1"; shift; ask "$@" || true; }
    step "Ada comes home: her code, her voice." 4711 Ada "$clips/clip-1-ada.ogg"
    step "Somebody recorded her just then and plays it back, with her code." 4711 Ada "$clips/clip-1-ada.ogg"
    step "Somebody tries without the code." 0000 Ada "$clips/clip-2-ada.ogg"
    step "Ben knows the code, but is not Ada." 4711 Ada "$clips/clip-3-ben.ogg"
    step "A stranger who knows the code." 4711 Ada "$clips/clip-5-stranger.ogg"
    step "Another one." 4711 Ada "$clips/clip-6-stranger.ogg"
    step "And another." 4711 Ada "$clips/clip-7-stranger.ogg"
    step "Five failures in a row: now not even Ada is heard." 4711 Ada "$clips/clip-2-ada.ogg"

    echo; echo "Waiting helps, or the PIN, which is no voice."
    "${earmark[@]}" unlock Ada --pin-file "$place/pin" | sed 's/^/    /'
    step "Ada again." 4711 Ada "$clips/clip-2-ada.ogg"

    echo; echo "What was written down, and whether it is as it was written:"
    "${earmark[@]}" audit --quiet | sed 's/^/    /'
    "${earmark[@]}" audit --verify --quiet | sed 's/^/    /'
}

case ${1:-} in
"") demonstration ;;
listen)
    person=${2:?"Say who is expected: examples/door.sh listen Ada"}
    : "${code_file:?"Set CODE_FILE to a file that holds the code and only its owner can read"}"
    read -rsp "Code: " code && echo
    ask "$code" "$person"
    ;;
*) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
