#!/bin/sh
# Runs mosquitto, and has it read its password and ACL file again when one of them has changed.
#
#   mosquitto.sh CONFIGURATION FILE...
configuration=$1
shift
seen=$(cksum "$@")
mosquitto -c "$configuration" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT
while kill -0 "$broker" 2>/dev/null; do
    sleep 1 &
    wait $!
    now=$(cksum "$@")
    if [ "$now" != "$seen" ]; then
        seen=$now
        kill -HUP "$broker"
    fi
done
wait "$broker"
