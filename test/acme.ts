/** The beginning of an organization.yaml in which two people administer everything; its environments follow. */
export const acme = `organization: acme
platform: { repository: { name: acme/secrets, id: 1, owner-id: 2 } }
people:
  ada: { email: ada@acme.example }
  ben: { email: ben@acme.example }
administrators: [ada, ben]
contacts: { security: security@acme.example, on-call: oncall@acme.example }
`;
