#!/bin/sh
# Upscales images with one sparsesr process:  sh upscale.sh FOLDER IMAGE...
set -eu
folder=$1
shift
pipes=$(mktemp -d)
trap 'rm -rf "$pipes"' EXIT
mkfifo "$pipes/images" "$pipes/answers"
"${SPARSESR:-sparsesr}" pipe -f png <"$pipes/images" >"$pipes/answers" &
exec 3>"$pipes/images" 4<"$pipes/answers"

# A frame is the number of bytes in decimal, a newline, and the bytes.
for image in "$@"; do
    { wc -c <"$image"; cat "$image"; } >&3
    read -r bytes <&4
    head -c "$bytes" <&4 >"$pipes/record"
    read -r bytes <&4
    if [ "$bytes" -gt 0 ]; then
        name=${image##*/}
        head -c "$bytes" <&4 >"$folder/${name%.*}_upscaled.png"
    fi
done
exec 3>&-
wait $!
