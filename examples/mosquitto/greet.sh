#!/bin/sh
# Say hello to whoever is recognised; at most once in ten minutes each. Options go to mosquitto_sub: ./greet.sh -h broker.lan
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
mosquitto_sub "$@" -t 'earmark/+/utterance' | jq -r --unbuffered 'select(.event_type == "identified") | "\(.speaker_id) \(.speaker)"' |
    while read -r id name; do
        # The id is one of Earmark's and safe in a file name; a name might not be.
        if [ -z "$(find "$folder" -name "$id" -mmin -10)" ]; then
            touch "$folder/$id"
            echo "Hello, $name"
        fi
    done
