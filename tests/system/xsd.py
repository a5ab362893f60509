"""Validates XML against the part of XML Schema 1.0 that tests/system/junit.xsd uses: not a test itself.

Elements by name, reference and type; sequences and choices of elements, in which the next child decides;
attributes; restrictions by minInclusive and minLength; unique. A construct that is not known here is an
error, so a schema that outgrows this file is noticed. Where xmllint is installed the test asks it, too.
"""
import re
import xml.etree.ElementTree as ET
from decimal import Decimal

XS = "{http://www.w3.org/2001/XMLSchema}"
PLAIN = {
    "xs:string": r"(?s).*",
    "xs:decimal": r"[+-]?(\d+(\.\d*)?|\.\d+)",
    "xs:nonNegativeInteger": r"\+?\d+|-0+",
    "xs:dateTime": r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
}


class Invalid(Exception):
    pass


def need(ok, text):
    if not ok:
        raise Invalid(text)


class Schema:
    def __init__(self, path):
        self.root = ET.parse(path).getroot()
        self.top = {(n.tag, n.get("name")): n for n in self.root}

    def named(self, kind, name):
        need((XS + kind, name) in self.top, f"schema: no {kind} '{name}'")
        return self.top[XS + kind, name]

    def value(self, type_name, text, at):
        """A text of a simple type."""
        if type_name.startswith("xs:"):
            need(type_name in PLAIN, f"schema: type {type_name} is not known here")
            text = text if type_name == "xs:string" else text.strip()
            need(re.fullmatch(PLAIN[type_name], text), f"{at}: '{text}' is no {type_name}")
            return
        for limit in self.restriction(self.named("simpleType", type_name)):
            base = limit.get("base")
            self.value(base, text, at)
            for facet in limit:
                want = facet.get("value")
                if facet.tag == XS + "minInclusive":
                    need(Decimal(text.strip()) >= Decimal(want), f"{at}: {text} is below {want}")
                elif facet.tag == XS + "minLength":
                    need(len(text) >= int(want), f"{at}: '{text}' is too short")
                else:
                    need(False, f"schema: {facet.tag} is not known here")

    @staticmethod
    def restriction(simple):
        need(all(n.tag == XS + "restriction" for n in simple), "schema: a simpleType without restriction")
        return list(simple)

    def attributes(self, rules, x, at):
        known = {r.get("name"): r for r in rules}
        for name, text in x.attrib.items():
            need(name in known, f"{at}: attribute '{name}' is not in the schema")
            self.value(known[name].get("type"), text, f"{at}/@{name}")
        for name, r in known.items():
            need(r.get("use") != "required" or name in x.attrib, f"{at}: attribute '{name}' is missing")

    def particle(self, rule, children, at):
        """Takes what the rule allows from the front of `children`, its occurrences counted."""
        least, most = int(rule.get("minOccurs", "1")), rule.get("maxOccurs", "1")
        n = 0
        while most == "unbounded" or n < int(most):
            if rule.tag == XS + "element":
                name = rule.get("ref") or rule.get("name")
                if not children or children[0].tag != name:
                    break
                self.element(self.named("element", name) if rule.get("ref") else rule, children.pop(0), at)
            elif rule.tag == XS + "choice":
                first = [r for r in rule if children and children[0].tag == (r.get("ref") or r.get("name"))]
                if not first:
                    break
                self.particle(first[0], children, at)
            elif rule.tag == XS + "sequence":
                for r in rule:
                    self.particle(r, children, at)
            else:
                need(False, f"schema: {rule.tag} is not known here")
            n += 1
        need(n >= least, f"{at}: {rule.get('name') or rule.get('ref') or rule.tag} is missing")

    def complex(self, rule, x, at):
        children = list(x)
        texts = [x.text] + [c.tail for c in children]
        need(rule.get("mixed") == "true" or not any(t and t.strip() for t in texts), f"{at}: text")
        models = [n for n in rule if n.tag != XS + "attribute"]
        need(len(models) <= 1, "schema: more than one content model")
        for m in models:
            self.particle(m, children, at)
        need(not children, f"{at}: <{children[0].tag if children else ''}> has no place there")
        self.attributes([n for n in rule if n.tag == XS + "attribute"], x, at)

    def element(self, rule, x, at=""):
        at = f"{at}/{x.tag}"
        kind = rule.get("type")
        for n in rule:
            need(n.tag in (XS + "complexType", XS + "unique"), f"schema: {n.tag} is not known here")
            if n.tag == XS + "complexType":
                self.complex(n, x, at)
            else:
                self.unique(n, x, at)
        if not kind:
            return
        if kind.startswith("xs:") or (XS + "simpleType", kind) in self.top:
            need(not len(x) and not x.attrib, f"{at}: more than text")
            self.value(kind, x.text or "", at)
        else:
            self.complex(self.named("complexType", kind), x, at)

    @staticmethod
    def unique(rule, x, at):
        fields = [f.get("xpath")[1:] for f in rule.findall(XS + "field")]
        seen = set()
        for found in x.findall(rule.find(XS + "selector").get("xpath")):
            key = tuple(found.get(f) for f in fields)
            need(None in key or key not in seen, f"{at}: {key} is there twice")
            seen.add(key)

    def check(self, text):
        root = ET.fromstring(text)
        self.element(self.named("element", root.tag), root)
