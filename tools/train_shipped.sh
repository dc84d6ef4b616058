#!/usr/bin/env bash
# Repeats the training of a network that ships, from ImageNet weights to its file:
#
#   bash tools/train_shipped.sh street-lite DIR [KEY=VALUE ...]      -> runs/street-lite.safetensors
#   bash tools/train_shipped.sh drivable-lite DIR [KEY=VALUE ...]    -> runs/drivable-lite.safetensors
#
# DIR holds the data sets as datasets/README.md says, with Cityscapes at 512x256 for street-lite. KEY=VALUE goes to
# every training. A part whose weights are in runs/ is not trained again; one that was stopped goes on.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/.."
name=$1 data=$(realpath "$2") settings=("${@:3}")
bdd=$data/bdd100k/images/100k/train

part() { # train a config, and write its weights in half precision
    [ -e "runs/$1.safetensors" ] && return
    segibn train "$1" --datasets "$data" --resume auto "${settings[@]}"
    segibn export "runs/$1" --output "runs/$1.safetensors" --half
}

labels() { # what a network says of some frames where it is sure: labels NETWORK FOLDER NAME ...
    local network=$1 output=$data/$2
    [ -e "$output/summary.json" ] && return
    segibn predict "${@:3}" --model "runs/$network.safetensors" --save labels --min-confidence 0.7 --scales 1,1.5 --flip \
        --output "$output"
}

case $name in
street-lite)
    shapes=configs/lists/bdd100k_night_shapes.json
    by_day=$(sed "/^#/d; s|.*|$bdd/&.jpg|" configs/lists/bdd100k_own_labels_train.txt)
    by_night=$(grep -o '[0-9a-f-]*\.jpg' $shapes | sed "s|^|$bdd/|")
    part street_lite_first
    part street_lite_second
    part street_lite_third
    labels street_lite_third bdd100k_own_labels $by_day
    part street_lite_fourth
    part street_lite_fifth
    labels street_lite_fifth bdd100k_fifth_labels $by_night
    classes="road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky"
    classes="$classes,person,rider,car,truck,bus,train,motorcycle,bicycle"
    [ -e "$data/bdd100k_night" ] || segibn import coco $shapes --images "$bdd" --classes "$classes" \
        --over "$data/bdd100k_fifth_labels" --output "$data/bdd100k_night"
    part street_lite
    segibn export runs/street_lite --output runs/street-lite.safetensors --half \
        --average runs/street_lite_fifth.safetensors=0.5 # half and half, no other share was tried
    ;;
drivable-lite)
    part drivable_lite_first
    part drivable_lite
    segibn export runs/drivable_lite --output runs/drivable-lite.safetensors --half \
        --average runs/drivable_lite_first.safetensors=0.4 # chosen on the frames held out of the training
    ;;
*)
    echo "'$name' is no network that ships; these are street-lite and drivable-lite" >&2
    exit 2
    ;;
esac
