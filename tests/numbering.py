#!/usr/bin/env python3
"""Makes src/charter/numbering.txt anew: the lengths of the numbers of each country code.

    pip install phonenumbers && tests/numbering.py > src/charter/numbering.txt

`phonenumbers` (Apache-2.0) carries libphonenumber's metadata. Its version goes into EDITION of src/charter/numbering.rs.
"""

import sys

import phonenumbers
from phonenumbers import PhoneMetadata

E164_MIN, E164_MAX = 7, 15

for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE, key=str):
    lengths = set()
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        whole_world = region == "001"
        of = PhoneMetadata.metadata_for_nongeo_region if whole_world else PhoneMetadata.metadata_for_region
        lengths |= set(of(code if whole_world else region, None).general_desc.possible_length)
    whole = sorted(n + len(str(code)) for n in lengths if E164_MIN <= n + len(str(code)) <= E164_MAX)
    runs = []
    for length in whole:
        if runs and runs[-1][1] == length - 1:
            runs[-1][1] = length
        else:
            runs.append([length, length])
    print(code, ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs))
print(f"edition: {phonenumbers.__version__}", file=sys.stderr)
