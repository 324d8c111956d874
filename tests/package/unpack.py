"""Unpacks a zip file with the modes that it names, and prints its entries as JSON: [name, mode, made on Unix, size]."""

import json
import pathlib
import sys
import zipfile

archive, folder = sys.argv[1], pathlib.Path(sys.argv[2])
entries = []
with zipfile.ZipFile(archive) as file:
    for entry in file.infolist():
        mode = entry.external_attr >> 16
        entries.append([entry.filename, oct(mode), entry.create_system == 3, entry.file_size])
        target = pathlib.Path(file.extract(entry, folder))
        # As unzip does it: the mode that the entry names, less what this process may not give away.
        target.chmod(mode & 0o755)
print(json.dumps(entries))
