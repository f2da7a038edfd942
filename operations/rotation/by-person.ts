/** What a person has to do where nothing writes a place yet, in the plan and in a rotation's notes. */
export function byPerson(place: string, value: string): string {
  return `${place}: nothing writes there yet, a person has to put ${value} there`;
}
