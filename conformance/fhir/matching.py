"""What each type of search parameter finds (FHIR R4 search#ptypes): one check for each row of a table."""

from functools import partial

from conformance.fhir import expect, prepared
from conformance.fhir.searching import matches, search
from conformance.fhir.suite import Page, Site

MATCHING = Page("matching", "Search by parameters", "search#ptypes")

Among = tuple[str, tuple[str, ...]]
PEOPLE: Among = ("Patient", prepared.PATIENTS)
DATED: Among = ("Patient", ("peter", "petra", "zhang"))
ANY_PERSON: Among = ("Patient", ())
SEEN: Among = ("Observation", prepared.OBSERVATIONS)
ALL_SEEN: Among = ("Observation", (*prepared.OBSERVATIONS, "logical"))
CODED: Among = ("Observation", ("low", "coded", "pressure"))
RISKS: Among = ("RiskAssessment", prepared.RISKS)
SETS: Among = ("ValueSet", prepared.VALUE_SETS)
ORGANIZATIONS: Among = ("Organization", ("hospital", "clinic"))
REPORTS: Among = ("DiagnosticReport", ("report",))
VISITS: Among = ("Encounter", ("visit",))

Row = tuple[str, str, str, Among, str, str, str]

# name, anchor of search.html, what it shows, type and among whom, parameter, value, who is found (* is everybody);
# {…} stands for what was prepared
ROWS: tuple[Row, ...] = (
    # string
    ("string.prefix", "string", "A string matches the beginning", PEOPLE, "family", "Chalm", "peter petra"),
    ("string.case", "string", "Case does not matter", PEOPLE, "family", "cHALMERSSON", "petra"),
    ("string.accent", "string", "Nor do accents", PEOPLE, "given", "peter", "peter"),
    ("string.parts", "string", "Every part of a name counts", PEOPLE, "name", "james", "peter"),
    ("string.text", "string", "Its text too", PEOPLE, "name", "jim", "peter"),
    ("string.exact", "exact", ":exact is the whole value", PEOPLE, "family:exact", "Chalmers", "peter"),
    ("string.exact.case", "exact", ":exact minds case", PEOPLE, "family:exact", "chalmers", ""),
    ("string.exact.accent", "exact", ":exact minds accents", PEOPLE, "given:exact", "Peter", ""),
    ("string.contains", "contains", ":contains looks anywhere",
     PEOPLE, "family:contains", "halmers", "peter petra late"),
    ("string.not-inside", "string", "Without it only the beginning", PEOPLE, "family", "halmers", ""),
    ("string.chinese", "string", "Chinese names", PEOPLE, "family", "张", "zhang"),
    ("string.address", "string", "Every part of an address", PEOPLE, "address", "pleasant", "peter"),
    ("string.city", "string", "A city", PEOPLE, "address-city", "river", "petra"),
    ("string.comma", "escaping", "A comma is or, none of both matches twice",
     PEOPLE, "family", "Chalmers,Chalmersson", "peter petra"),
    # token
    ("token.code", "token", "A code of whatever system", PEOPLE, "gender", "male", "peter zhang"),
    ("token.doubt", "token", "Where case is in doubt it does not matter", PEOPLE, "identifier", "{system}|a1", "peter"),
    ("token.system", "token", "[system]|[code]", PEOPLE, "identifier", "{system}|A1", "peter"),
    ("token.other-system", "token", "Another system is another code", PEOPLE, "identifier", "{system}x|A1", ""),
    ("token.system-alone", "token", "[system]| is any code of it", PEOPLE, "identifier", "{system}|", "*"),
    ("token.no-system", "token", "|[code] is a code without a system", SEEN, "code", "|no-system", "absent"),
    ("token.no-system.none", "token", "and none with one", SEEN, "code", "|15074-8", ""),
    ("token.code-alone", "token", "[code] whatever the system", SEEN, "code", "15074-8", "low high"),
    ("token.boolean", "token", "true and false", PEOPLE, "active", "false", "zhang"),
    ("token.gender-system", "token", "A code element has its value set's system, implied",
     PEOPLE, "gender", "http://hl7.org/fhir/administrative-gender|female", "petra"),
    ("token.concept", "token", "A coding of a CodeableConcept",
     SEEN, "value-concept", "http://snomed.info/sct|112144000", "coded"),
    ("token.contact", "token", "A ContactPoint by its value", PEOPLE, "email", "p.heuvel@example.org", "peter"),
    ("token.not", "not", ":not is the rest, those without a value too", PEOPLE, "gender:not", "male", "petra late"),
    ("token.not.or", "not", ":not of several is none of them", PEOPLE, "gender:not", "male,female", "late"),
    ("token.text", "text", ":text looks into text and display", SEEN, "code:text", "Serum kryptonite", "absent"),
    ("token.of-type", "of-type", ":of-type is system, code and value of the type",
     PEOPLE, "identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|A1", "peter"),
    ("token.of-type.value", "of-type", ":of-type needs the value too",
     PEOPLE, "identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|A2", ""),
    ("token.in", "in", ":in is a code of a value set", SEEN, "code:in", "{base}/vs/a", "low high"),
    ("token.not-in", "not-in", ":not-in is a code outside it", CODED, "code:not-in", "{base}/vs/a", "coded pressure"),
    ("token.tag", "tag", "_tag", PEOPLE, "_tag", "{base}/tags|gold", "peter"),
    ("token.security", "security", "_security", PEOPLE, "_security", "N", "peter"),
    ("token.id", "id", "_id", ANY_PERSON, "_id", "{peter}", "peter"),
    ("token.component", "token", "A code of a component",
     SEEN, "component-code", "http://loinc.org|8480-6", "pressure"),
    ("token.combo", "token", "A code of either", SEEN, "combo-code", "http://loinc.org|8480-6", "pressure"),
    # missing
    ("missing.true", "missing", ":missing=true has no value", PEOPLE, "gender:missing", "true", "late"),
    ("missing.false", "missing", ":missing=false has one", PEOPLE, "gender:missing", "false", "peter petra zhang"),
    ("missing.date", "missing", ":missing of dates", PEOPLE, "birthdate:missing", "true", "late"),
    ("missing.reference", "missing", ":missing of references", PEOPLE, "organization:missing", "true", "zhang late"),
    ("missing.quantity", "missing", ":missing of quantities", SEEN, "value-quantity:missing", "false", "low high"),
    # date
    ("date.day", "date", "A day", PEOPLE, "birthdate", "1974-12-25", "peter"),
    ("date.year", "date", "A year holds its days and months", PEOPLE, "birthdate", "1974", "peter petra"),
    ("date.month", "date", "A month holds its days", PEOPLE, "birthdate", "1974-12", "peter"),
    ("date.wider", "date", "A day does not hold a month", PEOPLE, "birthdate", "1974-02-14", ""),
    ("date.gt", "prefix", "gt", PEOPLE, "birthdate", "gt1974-06-01", "peter zhang"),
    ("date.lt", "prefix", "lt", PEOPLE, "birthdate", "lt1974-06-01", "petra"),
    ("date.ge", "prefix", "ge", PEOPLE, "birthdate", "ge1974-12-25", "peter zhang"),
    ("date.le", "prefix", "le", PEOPLE, "birthdate", "le1974-12-25", "peter petra"),
    ("date.ne", "prefix", "ne", DATED, "birthdate", "ne1974", "zhang"),
    ("date.sa", "prefix", "sa: starts after", SEEN, "date", "sa2013-03-15", "pressure"),
    ("date.eb", "prefix", "eb: ends before", SEEN, "date", "eb2013-03-15", "low"),
    ("date.period", "date", "A period that is inside", SEEN, "date", "2013", "low high coded"),
    ("date.period.ge", "date", "A period that is open goes on", SEEN, "date", "ge2020-01-01", "pressure"),
    ("date.period.lt", "date", "A period that began before", SEEN, "date", "lt2013-02-01", "coded"),
    ("date.zone", "date", "A time in another zone is the same instant", SEEN, "date", "2013-03-15T08:30:00Z", "high"),
    ("date.death", "date", "A time with offset", PEOPLE, "death-date", "2015-02-14T03:42:00Z", "late"),
    ("date.or", "combining", "Dates with or", PEOPLE, "birthdate", "1974-12-25,2001", "peter zhang"),
    # number
    ("number.equal", "number", "A number and its precision", RISKS, "probability", "0.8", "r80"),
    ("number.precision", "number", "More digits, a narrower range", RISKS, "probability", "0.81", ""),
    ("number.gt", "prefix", "gt", RISKS, "probability", "gt0.8", "r90 r100"),
    ("number.ge", "prefix", "ge", RISKS, "probability", "ge0.9", "r90 r100"),
    ("number.lt", "prefix", "lt", RISKS, "probability", "lt0.9", "r80"),
    ("number.le", "prefix", "le", RISKS, "probability", "le0.9", "r80 r90"),
    ("number.ne", "prefix", "ne", RISKS, "probability", "ne0.90", "r80 r100"),
    ("number.exponent", "number", "An exponent", RISKS, "probability", "8e-1", "r80"),
    # quantity
    ("quantity.equal", "quantity", "A number with system and code",
     SEEN, "value-quantity", "5.4|http://unitsofmeasure.org|mg", "low"),
    ("quantity.any-unit", "quantity", "A number alone", SEEN, "value-quantity", "5.4", "low"),
    ("quantity.unit", "quantity", "A number with a unit, ||[code]", SEEN, "value-quantity", "5.4||mg", "low"),
    ("quantity.other-unit", "quantity", "Another unit is another quantity",
     SEEN, "value-quantity", "5.4|http://unitsofmeasure.org|kg", ""),
    ("quantity.precision", "quantity", "5.40 is from 5.395 to 5.405", SEEN, "value-quantity", "5.40", "low"),
    ("quantity.range", "quantity", "6 is from 5.5 to 6.5", SEEN, "value-quantity", "6", "high"),
    ("quantity.gt", "prefix", "gt", SEEN, "value-quantity", "gt5.4|http://unitsofmeasure.org|mg", "high"),
    ("quantity.le", "prefix", "le", SEEN, "value-quantity", "le5.4|http://unitsofmeasure.org|mg", "low"),
    ("quantity.combo", "quantity", "That of a component", SEEN, "combo-value-quantity", "gt100", "pressure"),
    # reference
    ("reference.typed", "reference", "[type]/[id]", SEEN, "subject", "Patient/{peter}", "low high"),
    ("reference.id", "reference", "[id] alone", SEEN, "subject", "{peter}", "low high"),
    ("reference.url", "reference", "[url] of this server", SEEN, "subject", "{url}/Patient/{peter}", "low high"),
    ("reference.type-modifier", "modifiers", ":[type] says the type",
     SEEN, "subject:Patient", "{petra}", "coded pressure"),
    ("reference.other-type", "reference", "An id of another type is another", SEEN, "subject", "Group/{peter}", ""),
    ("reference.patient", "reference", "patient is subject where it is one",
     SEEN, "patient", "{petra}", "coded pressure"),
    ("reference.or", "combining", "References with or",
     SEEN, "subject", "{peter},{petra}", "low high coded pressure"),
    ("reference.identifier", "reference", ":identifier is that of the reference itself",
     ALL_SEEN, "subject:identifier", "{base}/elsewhere|L7", "logical"),
    ("reference.list", "reference", "One of several references", REPORTS, "result", "Observation/{high}", "report"),
    # uri
    ("uri.exact", "uri", "A URI is the whole of it", SETS, "url", "{base}/vs/a", "codes"),
    ("uri.case", "uri", "and minds case", SETS, "url", "{base}/VS/a", ""),
    ("uri.below", "below", ":below is it and what is under it", SETS, "url:below", "{base}/vs/", "codes codes_below"),
    ("uri.above", "above", ":above is it and what it is under",
     SETS, "url:above", "{base}/vs/a/b/c", "codes codes_below"),
    ("uri.profile", "profile", "_profile", PEOPLE, "_profile", prepared.PROFILE, "peter"),
    # composite
    ("composite.both", "composite", "Code and value of one", SEEN, "code-value-quantity", "15074-8$gt6", "high"),
    ("composite.concept", "composite", "Code and concept of one",
     SEEN, "code-value-concept", "http://loinc.org|883-9$112144000", "coded"),
    ("composite.component", "composite", "Both of the same component",
     SEEN, "component-code-value-quantity", "8480-6$gt100", "pressure"),
    ("composite.crossed", "composite", "Never one of each",
     SEEN, "component-code-value-quantity", "8462-4$gt100", ""),
    ("composite.date", "composite", "Code and date", SEEN, "code-value-date", "15074-8$2013", ""),
    # chained and reverse chained
    ("chain.one", "chaining", "A parameter of what is referred to",
     SEEN, "subject:Patient.family", "chalmersson", "coded pressure"),
    ("chain.untyped", "chaining", "without its type, where there is but one",
     SEEN, "patient.gender", "male", "low high absent"),
    ("chain.identifier", "chaining", "by identifier", REPORTS, "patient.identifier", "{system}|A1", "report"),
    ("chain.two", "chaining", "two steps", SEEN, "subject:Patient.organization.name", "{tag} Clinic", "low high"),
    ("chain.three", "chaining", "three steps", SEEN, "patient.organization.partof.name", "{tag} hosp", "low high"),
    ("chain.modifier", "chaining", "with a modifier at its end",
     SEEN, "patient.family:exact", "Chalmers", "low high"),
    ("chain.date", "chaining", "with a prefix", SEEN, "patient.birthdate", "gt2000", "absent"),
    ("has.one", "has", "_has: what refers to it", PEOPLE, "_has:Observation:patient:code", "883-9", "petra"),
    ("has.none", "has", "_has that nothing fulfils", PEOPLE, "_has:Observation:patient:code", "never", ""),
    ("has.nested", "has", "_has of a _has",
     ORGANIZATIONS, "_has:Patient:organization:_has:Observation:patient:code", "15074-8", "clinic"),
    ("has.chained", "has", "_has at the end of a chain",
     VISITS, "patient._has:Observation:patient:code", "15074-8", "visit"),
    # whole text
    ("content", "content", "_content looks into everything", REPORTS, "_content", "quokkas", "report"),
    ("content.chinese", "content", "_content in Chinese", REPORTS, "_content", "结节", "report"),
    ("content.none", "content", "_content of no such word", REPORTS, "_content", "wombats", ""),
    ("text", "text", "_text looks into the narrative", PEOPLE, "_text", "chalmers", "peter"),
)  # fmt: skip

OPTIONAL = ("token.doubt", "token.text", "token.of-type", "token.in", "token.not-in", "content", "text", "uri.below",
            "uri.above", "has", "reference.identifier", "chain.three", "token.combo", "quantity.combo")  # fmt: skip


def check(row: Row, site: Site) -> None:
    """Exactly those that are said."""
    _, _, _, (kind, among), parameter, value, keys = row
    known = {key: one["id"] for key, one in site.stored.items()}
    names = {"system": site.system(), "base": site.system("").rstrip("/"), "tag": site.tag, "url": site.server.base}
    found = search(site, kind, (parameter, value.format(**known, **names)), among=among)
    wanted = among if keys == "*" else keys.split()
    expect.same(sorted(site.ids(wanted)), sorted(expect.ids(matches(found))), f"for {parameter}={value}")


for _row in ROWS:
    _optional = any(_row[0] == one or _row[0].startswith(f"{one}.") for one in OPTIONAL)
    (MATCHING.should if _optional else MATCHING.must)(_row[0], f"search#{_row[1]}", _row[2])(partial(check, _row))
