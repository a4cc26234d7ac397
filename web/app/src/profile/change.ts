// What of a name and a picture is different. Pure.

export interface Shown {
  name: string;
  picture: string | null;
}

export interface Change {
  name?: string;
  picture?: string | null;
}

export function changed(old: Shown, wanted: Shown): Change {
  return {
    ...(wanted.name === old.name || wanted.name === "" ? {} : { name: wanted.name }),
    ...(wanted.picture === old.picture ? {} : { picture: wanted.picture }),
  };
}

export function isEmpty(change: Change): boolean {
  return Object.keys(change).length === 0;
}
