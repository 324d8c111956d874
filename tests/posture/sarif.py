"""Reads SARIF from standard input with the model that pydantic-sarif makes of the standard's JSON schema.

Prints the number of results. Anything that the schema forbids ends it with a traceback and exit code 1.
"""

import sys

from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

log = Sarif.model_validate_json(sys.stdin.buffer.read(), strict=False)
print(len(log.runs[0].results))
