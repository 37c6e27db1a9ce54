"""Writes what SAM makes of template.yaml, as CloudFormation sees it.

cfn-lint checks the template's own properties through SAM's schema; the resources
that SAM adds or fills in are only seen in the output. Needs no AWS account.

    python3 .ci/translate.py build/template.json && cfn-lint build/template.json
"""

import json
import os
import sys
from pathlib import Path

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# SAM asks for a Region to know its partition; any will do, since the template
# leaves both to CloudFormation.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")


def main(output: str) -> None:
    source = Path(__file__).resolve().parent.parent / "template.yaml"
    template = yaml_parse(source.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # sam package uploads the folder; the translator takes only its address.
            resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    template["Globals"]["Function"].pop("CodeUri", None)

    # The managed policies would come from IAM. The template uses none.
    translated = Translator(managed_policy_map={}, sam_parser=Parser()).translate(
        sam_template=template, parameter_values={}
    )
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(translated, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} OUTPUT.json")
    main(sys.argv[1])
