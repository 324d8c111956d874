"""Holds the snapshots of the infrastructure against checkov's rules.

checkov can't read what Bicep compiles to today (templates with symbolic names), and ends well over a file that it can't read. So it gets
the snapshots, all expressions evaluated, as plain templates; and that it read every resource in them is asserted.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

SHAPES = pathlib.Path(__file__).parent.parent / "infra" / "shapes"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"

# Rules that do not hold, and why.
NOT_HELD = {
    "CKV_AZURE_17": "Event Grid and operators have no client certificates",
    "CKV_AZURE_87": "wants the plan for Key Vault from any template with a plan of Defender; the one here is that for containers",
    "CKV_AZURE_206": "wants a second region; records are kept in three zones, and storageSku offers two regions",
    "CKV_AZURE_212": "Flex Consumption scales by itself; alwaysReadyInstances is an option that costs",
    "CKV_AZURE_213": "Flex Consumption has no health check path; the alert `silent` tells",
    "CKV_AZURE_225": "zone redundancy of Flex Consumption needs always-ready instances, which cost",
}
# Rules that hold where the option asks for it.
PRIVATE_ONLY = {
    "CKV_AZURE_35": "public access is the default of everything that Event Grid pushes to",
    "CKV_AZURE_59": "as above",
    "CKV_AZURE_222": "as above",
}
# The other way round.
PUBLIC_ONLY = {"CKV_AZURE_36": "in a private network only the account of the events lets trusted services in"}


def template(snapshot: pathlib.Path) -> dict:
    # Checked as the site's configuration, which app settings are not.
    resources = [
        resource
        for resource in json.loads(snapshot.read_text())["predictedResources"]
        if not resource["name"].endswith("/appsettings")
    ]
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}


def check(snapshot: pathlib.Path) -> list[str]:
    is_private = snapshot.name.startswith("private")
    skipped = NOT_HELD | (PUBLIC_ONLY if is_private else PRIVATE_ONLY)
    content = template(snapshot)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "template.json"
        file.write_text(json.dumps(content, indent=2))
        checkov = pathlib.Path(sys.executable).parent / "checkov"
        command = [checkov, "--file", file, "--framework", "arm", "--compact", "--quiet", "--skip-download"]
        command += ["--output", "json", "--skip-check", ",".join(skipped)]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return [f"{snapshot.name}: checkov ended with {done.returncode}: {done.stderr[-500:]}"]
    summary = report.get("summary", report)
    faults = []
    if summary["parsing_errors"] != 0:
        faults.append(f"{snapshot.name}: checkov could not read it")
    # Those of one name in two subscriptions count as one.
    resources = {(resource["type"], resource["name"]) for resource in content["resources"]}
    if summary["resource_count"] < len(resources):
        faults.append(f"{snapshot.name}: checkov saw {summary['resource_count']} of {len(resources)} resources")
    if summary["passed"] == 0:
        faults.append(f"{snapshot.name}: no rule held: was anything checked?")
    for failed in report.get("results", {}).get("failed_checks", []):
        faults.append(f"{snapshot.name}: {failed['check_id']} {failed['check_name']}: {failed['resource']}")
    print(f"{snapshot.name}: {summary['passed']} rules held, {summary['failed']} not, {summary['resource_count']} resources")
    return faults


def main() -> int:
    snapshots = sorted(SHAPES.glob("*.snapshot.json"))
    faults = [fault for snapshot in snapshots for fault in check(snapshot)]
    if len(snapshots) < 5:
        faults.append(f"only {len(snapshots)} snapshots in {SHAPES}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
