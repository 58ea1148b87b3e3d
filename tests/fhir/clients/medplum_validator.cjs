// @medplum/core's validator over resources, one a line, of a file. Prints what it objects to as JSON.
// Arguments: the client, HL7's definitions, the file.
const fs = require('node:fs');
const path = require('node:path');

const [, , core, definitions, file] = process.argv;
globalThis.WebSocket ??= class extends EventTarget {};     // Node has one of its own from version 22 on
const { indexStructureDefinitionBundle, validateResource, OperationOutcomeError } = require(core);

for (const name of ['profiles-types.json', 'profiles-resources.json', 'profiles-medplum.json']) {
  indexStructureDefinitionBundle(JSON.parse(fs.readFileSync(path.join(definitions, name), 'utf8')));
}
const objections = [];
let count = 0;
for (const line of fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  const resource = JSON.parse(line);
  count += 1;
  try {
    validateResource(resource);
  } catch (error) {
    const issues = error instanceof OperationOutcomeError ? error.outcome.issue : [{ details: { text: String(error) } }];
    objections.push([`${resource.resourceType}/${resource.id}`, issues.map((each) => [each.details?.text, each.expression])]);
  }
}
console.log(JSON.stringify({ count, objections }));
