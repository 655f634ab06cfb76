// Names of photographs.

/** One that nobody else gives: two photographs by two people are both kept until one is chosen. */
export const newPhotoName = () => `photo-${crypto.randomUUID().slice(0, 13)}.jpg`;
