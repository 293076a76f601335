# A table of GPUs in a loop of clear and print, as people leave it running beside a training.
for used in 1024 20480 61440; do
    clear
    printf '+-----------------------------+----------------------+\n'
    printf '| GPU  Name        Persist-M  | Memory-Usage         |\n'
    printf '|=============================+======================|\n'
    for gpu in 0 1; do printf '|  %d   H100             On     | %6dMiB / 81559MiB |\n' $gpu $used; done
    printf '+-----------------------------+----------------------+\n'
    sleep 0.05
done
