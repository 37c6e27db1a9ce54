#!/usr/bin/env bash
# The examples for Terraform: form and parser everywhere, and the provider's own
# judgement where terraform and the provider are at hand.
set -euo pipefail
cd "$(dirname "$0")/.."

(cd test/terraform && go vet ./... && go test ./...)

if ! command -v terraform >/dev/null; then
	echo "terraform is not installed: the examples are only parsed"
	exit
fi
# Settings of whoever runs this are none of the examples'.
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1
terraform fmt -check -diff -recursive examples/terraform

# Where there is no registry, a machine may have a folder of providers.
plugins=$(find /opt /usr/share /usr/local/share -maxdepth 3 -type d -name registry.terraform.io -printf '%h\n' -quit 2>/dev/null || true)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for example in examples/terraform/*; do
	cp "$example/main.tf" "$work"
	if ! terraform -chdir="$work" init -backend=false -input=false -no-color ${plugins:+-plugin-dir="$plugins"} >"$work/init.log" 2>&1; then
		tail -n 5 "$work/init.log"
		echo "the provider is not to be had: the examples are parsed and formatted, not validated"
		exit
	fi
	printf '%s: ' "$example"
	terraform -chdir="$work" validate -no-color
done
