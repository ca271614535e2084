"""samtools: alignments that are written to and read from S3 by htslib, which uploads in parts and reads ranges."""

from __future__ import annotations

import random

from session import BUCKET, HOST, WORK, make_bucket, run, same, stored, version

WHERE = {"HTS_S3_HOST": HOST, "HTS_S3_ADDRESS_STYLE": "path"}
URL = f"s3+http://{BUCKET}"
READS = 60_000


def main() -> None:
    version(run("samtools", "--version").split("\n")[0].split()[-1])
    make_bucket()
    bases = random.Random(1)
    lines = ["@HD\tVN:1.6\tSO:coordinate", f"@SQ\tSN:chr\tLN:{READS + 200}"]
    for number in range(READS):
        sequence = "".join(bases.choices("ACGT", k=100))
        quality = "".join(bases.choices("#+5?EFGHI", k=100))
        lines.append(f"r{number}\t0\tchr\t{number + 1}\t60\t100M\t*\t0\t0\t{sequence}\t{quality}")
    (WORK / "in.sam").write_text("\n".join(lines) + "\n")
    expected = "\n".join(lines[2:]) + "\n"
    run("samtools", "view", "-b", WORK / "in.sam", "-o", f"{URL}/reads.bam", env=WHERE)
    assert len(stored("reads.bam")) > 5_000_000, "it took several parts"
    same(run("samtools", "view", f"{URL}/reads.bam", env=WHERE), expected, "read back")
    run("samtools", "index", f"{URL}/reads.bam", WORK / "reads.bam.bai", env=WHERE)
    region = f"{URL}/reads.bam##idx##{WORK / 'reads.bam.bai'}"
    found = run("samtools", "view", region, "chr:50000-50000", env=WHERE).splitlines()
    same([line.split("\t")[0] for line in found], [f"r{number}" for number in range(49_900, 50_000)], "a region")


main()
