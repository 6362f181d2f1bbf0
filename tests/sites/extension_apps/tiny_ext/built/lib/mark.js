export default "* ";
