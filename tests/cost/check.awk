# Compares what was counted with the baseline: awk -f check.awk baseline.txt counts, both with lines of a name and a
# number. Dearer by more than 5 % fails, cheaper by more than 10 % asks for a new baseline. Where a name ends in _10, that
# of more entries may cost 1.1 times as much: the cost of a judgement does not grow with rules and lists.

BEGIN {
    dearer = 1.05
    cheaper = 0.90
    flat = 1.10
}

NR == FNR { baseline[$1] = $2; next }

{
    count[$1] = $2
    checks++
    if (!($1 in baseline)) {
        fail($1 " is not in the baseline")
    } else if ($2 > baseline[$1] * dearer) {
        fail(sprintf("%s costs %d instructions, %.1f %% more than %d", $1, $2, 100 * ($2 / baseline[$1] - 1), baseline[$1]))
    } else if ($2 < baseline[$1] * cheaper) {
        printf "%s costs %d instructions and no longer %d: lower the baseline\n", $1, $2, baseline[$1]
    }
}

END {
    for (name in baseline) {
        if (!(name in count)) fail(name " was not counted")
    }
    for (name in count) {
        few = name
        if (sub(/_[0-9]+$/, "_10", few) && few != name && few in count) {
            ratio = count[name] / count[few]
            checks++
            printf "%s: %.3f of %s\n", name, ratio, few
            if (ratio > flat) fail(sprintf("%s costs more than %.2f of %s", name, flat, few))
        }
    }
    printf "%d checks, %d failed\n", checks, failed
    exit failed > 0 || checks == 0
}

function fail(what) {
    print "FAILED: " what
    failed++
}
