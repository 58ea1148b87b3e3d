// @medplum/core's client, unmodified: create, read, search, pages, conditional create, patch, batch, transaction,
// history and delete. Prints what it saw as JSON. Arguments: the client, its definitions, the base URL, a system.
const [, , core, , base, system] = process.argv;
globalThis.WebSocket ??= class extends EventTarget {};     // Node has one of its own from version 22 on
const { MedplumClient, OperationOutcomeError } = require(core);

const client = new MedplumClient({ baseUrl: base.replace(/fhir$/, ''), fhirUrlPath: 'fhir', fetch, cacheTime: 0 });
const identifier = (value) => [{ system, value }];

async function refused(promise) {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error instanceof OperationOutcomeError ? error.outcome.issue[0].code : String(error);
  }
}

async function main() {
  const seen = {};
  const name = [{ family: '张', given: ['三'] }];
  const one = await client.createResource({ resourceType: 'Patient', identifier: identifier('1'), name, gender: 'male' });
  seen.created = Boolean(one.id) && one.meta.versionId === '1';
  seen.read = (await client.readResource('Patient', one.id)).name[0].family;
  seen.updated = (await client.updateResource({ ...one, gender: 'female' })).gender;
  seen.patched = (await client.patchResource('Patient', one.id, [{ op: 'add', path: '/birthDate', value: '1970-01-02' }]))
    .birthDate;
  const again = await client.createResourceIfNoneExist(
    { resourceType: 'Patient', identifier: identifier('1') }, `identifier=${system}|1`);
  seen.ifNoneExist = again.id === one.id;
  seen.searched = (await client.searchOne('Patient', `identifier=${system}|1`)).id === one.id;
  const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
  const answer = await client.executeBatch({
    resourceType: 'Bundle', type: 'transaction', entry: [
      { fullUrl: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
        resource: { resourceType: 'Patient', identifier: identifier('2') }, request: { method: 'POST', url: 'Patient' } },
      { resource: { ...observation, subject: { reference: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a' } },
        request: { method: 'POST', url: 'Observation' } },
    ] });
  seen.transaction = answer.entry.map((each) => each.response.status.slice(0, 3));
  const batch = await client.executeBatch({
    resourceType: 'Bundle', type: 'batch', entry: [
      { request: { method: 'GET', url: `Patient/${one.id}` } },
      { request: { method: 'GET', url: 'Patient/there-is-none' } },
    ] });
  seen.batch = batch.entry.map((each) => each.response.status.slice(0, 3));
  seen.chained = (await client.searchResources('Observation', `subject:Patient.identifier=${system}|2`)).length;
  const pages = [];
  for await (const page of client.searchResourcePages('Patient', `identifier=${system}|&_count=1`)) {
    pages.push(page.length);
  }
  seen.pages = pages;
  seen.history = (await client.readHistory('Patient', one.id)).entry.map((each) => each.resource.meta.versionId);
  seen.version = (await client.readVersion('Patient', one.id, '1')).gender;
  await client.deleteResource('Patient', one.id);
  seen.gone = await refused(client.readResource('Patient', one.id, { cache: 'reload' }));
  seen.unknown = await refused(client.readResource('Patient', 'there-is-none'));
  seen.invalid = await refused(client.createResource({ resourceType: 'Patient', nonsense: true }));
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error, JSON.stringify(error.outcome));
  process.exit(1);
});
